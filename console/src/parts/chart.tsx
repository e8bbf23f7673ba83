/** Charts as plain SVG: stacked bars, and a line of shares over them. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Bar {
  name: string;
  parts: number[];
  share: number | null;
  title: string;
}

const HEIGHT = 200;
const TOP = 18;
const BOTTOM = 26;
const GAP = 6;
/** Width of a wide letter at the style sheet's size. The drawing is as wide as its place, so that none shrinks with it. */
const LETTER = 8;
/** Room of a bar below which the line goes without its points: they would run into each other. */
const CLOSE = 9;

export function Chart({ bars, names, label, unit, line }: {
  bars: Bar[];
  names: string[];
  label: string;
  unit: (value: number) => string;
  line?: string;
}) {
  const drawing = useRef<SVGSVGElement>(null);
  const whole = useWidth(drawing);
  const highest = Math.max(...bars.map((bar) => sum(bar.parts)), 1e-9);
  const marks = [0, 0.5, 1].map((part) => ({ part, text: unit(highest * part) }));
  const left = GAP + LETTER * Math.max(...marks.map((mark) => mark.text.length));
  const right = whole - (line ? 2 * GAP + LETTER * "100%".length : GAP);
  const room = (right - left) / Math.max(bars.length, 1);
  const width = Math.min(room * 0.72, 44);
  const tall = HEIGHT - BOTTOM - TOP;
  const x = (index: number) => left + room * (index + 0.5);
  const points = bars.map((bar, index) => (bar.share === null ? null : `${x(index)},${TOP + tall * (1 - bar.share)}`)).filter(Boolean);
  const named = LETTER * Math.max(...bars.map((bar) => bar.name.length), 1) + 2 * GAP;
  const every = Math.max(1, Math.ceil(named / room));
  return (
    <figure class="chart">
      <figcaption>
        {names.map((name, index) => (
          <span key={name}><i class={`part part-${index}`} />{name}</span>
        ))}
        {line && <span><i class="line" />{line}</span>}
      </figcaption>
      <svg ref={drawing} viewBox={`0 0 ${whole} ${HEIGHT}`} role="img" aria-label={label}>
        {marks.map(({ part, text }) => (
          <g key={part}>
            <line class="grid" x1={left} x2={right} y1={TOP + tall * (1 - part)} y2={TOP + tall * (1 - part)} />
            <text x={left - GAP} y={TOP + 4 + tall * (1 - part)} text-anchor="end">{text}</text>
            {line && <text x={right + GAP} y={TOP + 4 + tall * (1 - part)}>{part * 100}%</text>}
          </g>
        ))}
        {bars.map((bar, index) => (
          <g key={bar.name}>
            <title>{bar.title}</title>
            {bar.parts.map((part, layer) => {
              const below = sum(bar.parts.slice(0, layer));
              return (
                <rect key={layer} class={`part-${layer}`} x={x(index) - width / 2} width={width}
                  y={TOP + tall * (1 - (below + part) / highest)} height={(tall * part) / highest} />
              );
            })}
            {index % every === 0 && <text x={x(index)} y={HEIGHT - 6} text-anchor="middle">{bar.name}</text>}
          </g>
        ))}
        {line && points.length > 1 && <polyline class="share" points={points.join(" ")} />}
        {line && room > CLOSE && points.map((point) => <circle key={point} class="share" cx={point!.split(",")[0]} cy={point!.split(",")[1]} r="3" />)}
      </svg>
    </figure>
  );
}

/** Width of the drawing's place in CSS pixels, followed as the window changes. */
function useWidth(drawing: { current: SVGSVGElement | null }): number {
  const [width, setWidth] = useState(720);
  useLayoutEffect(() => {
    const measure = () => setWidth(drawing.current?.clientWidth || 720);
    const watch = new ResizeObserver(measure);
    measure();
    watch.observe(drawing.current!);
    return () => watch.disconnect();
  }, []);
  return width;
}

function sum(all: number[]): number {
  return all.reduce((total, each) => total + each, 0);
}
