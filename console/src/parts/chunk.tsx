/** Long lists in parts: what is far from the window is an empty box of the same height. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  children: () => ComponentChildren;
  /** Pixels that it takes, before it was shown. */
  estimate: number;
  /** Whether it is shown before it is known where it is. */
  shown?: boolean;
}

const AHEAD = "1200px 0px";

export function Chunk({ children, estimate, shown = false }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const height = useRef(estimate);
  const [near, setNear] = useState(shown);
  useEffect(() => {
    const watch = new IntersectionObserver(
      (entries) => {
        const last = entries[entries.length - 1]!;
        if (!last.isIntersecting) height.current = last.boundingClientRect.height || height.current;
        setNear(last.isIntersecting);
      },
      { root: box.current!.closest(".scroller"), rootMargin: AHEAD },
    );
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  return (
    <div ref={box} class="chunk" style={near ? undefined : { height: `${height.current}px` }}>
      {near ? children() : null}
    </div>
  );
}
