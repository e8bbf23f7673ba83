/** Charts as plain SVG: stacked bars, and a line of shares over them. */

export interface Bar {
  name: string;
  parts: number[];
  share: number | null;
  title: string;
}

const WIDTH = 720;
const HEIGHT = 200;
const TOP = 18;
const BOTTOM = 26;
const LEFT = 84;
const RIGHT = 62;

export function Chart({ bars, names, label, unit, line }: {
  bars: Bar[];
  names: string[];
  label: string;
  unit: (value: number) => string;
  line?: string;
}) {
  const highest = Math.max(...bars.map((bar) => sum(bar.parts)), 1e-9);
  const room = (WIDTH - LEFT - RIGHT) / Math.max(bars.length, 1);
  const width = Math.min(room * 0.72, 44);
  const tall = HEIGHT - BOTTOM - TOP;
  const x = (index: number) => LEFT + room * (index + 0.5);
  const points = bars.map((bar, index) => (bar.share === null ? null : `${x(index)},${TOP + tall * (1 - bar.share)}`)).filter(Boolean);
  const every = Math.ceil(bars.length / 12);
  return (
    <figure class="chart">
      <figcaption>
        {names.map((name, index) => (
          <span key={name}><i class={`part part-${index}`} />{name}</span>
        ))}
        {line && <span><i class="line" />{line}</span>}
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={TOP + tall * (1 - part)} y2={TOP + tall * (1 - part)} />
            <text x={LEFT - 6} y={TOP + 4 + tall * (1 - part)} text-anchor="end">{unit(highest * part)}</text>
            {line && <text x={WIDTH - RIGHT + 6} y={TOP + 4 + tall * (1 - part)}>{part * 100}%</text>}
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
        {line && points.map((point) => <circle key={point} class="share" cx={point!.split(",")[0]} cy={point!.split(",")[1]} r="3" />)}
      </svg>
    </figure>
  );
}

function sum(all: number[]): number {
  return all.reduce((total, each) => total + each, 0);
}
