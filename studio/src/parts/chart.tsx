import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number } from "../language";

export interface Line {
  name: string;
  values: readonly (number | null)[];
}

/** Something that happened, and when (seconds since 1970). */
export interface Mark {
  at: number;
  what: string;
}

const COLOURS = ["--line-0", "--line-1", "--line-2", "--line-3", "--line-4", "--line-5"];
const HEIGHT = 200;

/** Lines over time; `times` are seconds since 1970. What is drawn stands in a table too. */
export function Chart(props: { title: string; unit: string; times: readonly number[]; lines: readonly Line[]; marks?: readonly Mark[] }) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const marks = useRef<readonly Mark[]>([]);
  marks.current = props.marks ?? [];
  const names = props.lines.map((line) => line.name).join("\n");

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const style = getComputedStyle(element);
    const text = style.getPropertyValue("--text");
    const grid = { stroke: style.getPropertyValue("--rule"), width: 1 };
    const chart = new uPlot(
      {
        width: element.clientWidth || 300,
        height: HEIGHT,
        hooks: { draw: [(chart) => draw(chart, marks.current, text)] },
        scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), high || 1] } },
        axes: [
          { stroke: text, grid },
          { stroke: text, grid, size: 60, values: (_, ticks) => ticks.map((tick) => number(tick)) },
        ],
        series: [
          {},
          ...props.lines.map((line, index) => ({
            label: line.name,
            stroke: style.getPropertyValue(COLOURS[index % COLOURS.length] ?? "--text"),
            width: 2,
            spanGaps: false,
            value: (_: uPlot, value: number | null) => number(value),
          })),
        ],
      },
      data(props),
      element,
    );
    drawn.current = chart;
    const watcher = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      chart.destroy();
      drawn.current = null;
    };
  }, [names]);

  useEffect(() => {
    drawn.current?.setData(data(props));
  }, [props.times, props.lines, props.marks]);

  return (
    <figure class="chart">
      <figcaption>
        {props.title} <span class="quiet">{props.unit}</span>
      </figcaption>
      <div ref={box} role="img" aria-label={summary(props.title, props.lines)} />
    </figure>
  );
}

/** A dashed line for each, within what is seen. */
function draw(chart: uPlot, marks: readonly Mark[], colour: string): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash([4, 4]);
  for (const { at } of marks) {
    // What has just happened stands at the end, until figures of then have come.
    const x = Math.min(Math.round(chart.valToPos(at, "x", true)), bbox.left + bbox.width);
    if (x < bbox.left) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function data(props: { times: readonly number[]; lines: readonly Line[] }): uPlot.AlignedData {
  return [[...props.times], ...props.lines.map((line) => [...line.values])];
}

function summary(title: string, lines: readonly Line[]): string {
  const parts = lines.map((line) => {
    const last = line.values.findLast((value) => value !== null);
    return `${line.name}: ${number(last ?? null)}`;
  });
  return `${title}. ${parts.join("; ")}`;
}
