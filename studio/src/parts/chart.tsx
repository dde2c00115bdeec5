import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number } from "../language";

export interface Line {
  name: string;
  values: readonly (number | null)[];
}

const COLOURS = ["--line-0", "--line-1", "--line-2", "--line-3", "--line-4", "--line-5"];
const HEIGHT = 200;

/** Lines over time; `times` are seconds since 1970. What is drawn stands in a table too. */
export function Chart(props: { title: string; unit: string; times: readonly number[]; lines: readonly Line[] }) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
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
  }, [props.times, props.lines]);

  return (
    <figure class="chart">
      <figcaption>
        {props.title} <span class="quiet">{props.unit}</span>
      </figcaption>
      <div ref={box} role="img" aria-label={summary(props.title, props.lines)} />
    </figure>
  );
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
