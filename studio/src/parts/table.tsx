import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { number, t } from "../language";

export interface Column<T> {
  name: string;
  show(row: T): ComponentChildren;
  /** What rows are sorted and found by; without it they are neither. */
  by?(row: T): string | number | null | undefined;
  right?: boolean;
}

const STEP = 200;

/** A list that is searched, sorted by any column and drawn a part at a time. */
export function Table<T>(props: {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  id(row: T): string;
  children?: ComponentChildren;
}) {
  const [wanted, setWanted] = useState("");
  const [order, setOrder] = useState<{ column: number; down: boolean } | null>(null);
  const [drawn, setDrawn] = useState(STEP);
  const rows = useMemo(() => {
    const text = wanted.trim().toLowerCase();
    const found = text
      ? props.rows.filter((row) =>
          props.columns.some((column) => String(column.by?.(row) ?? "").toLowerCase().includes(text)),
        )
      : [...props.rows];
    const by = order && props.columns[order.column]?.by;
    if (by) found.sort((one, other) => compare(by(one), by(other)) * (order.down ? -1 : 1));
    return found;
  }, [props.rows, props.columns, wanted, order]);

  return (
    <section class="table">
      <div class="row">
        <input
          type="search"
          value={wanted}
          placeholder={t("Search")}
          aria-label={t("Search {what}", { what: props.label })}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        <span class="quiet" role="status">
          {t("{shown} of {all}", { shown: number(rows.length), all: number(props.rows.length) })}
        </span>
        <span class="grow" />
        {props.children}
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label={props.label}>
        <table>
          <thead>
            <tr>
              {props.columns.map((column, index) => {
                const sorted = order?.column === index ? (order.down ? "descending" : "ascending") : "none";
                return (
                  <th key={column.name} scope="col" aria-sort={sorted} class={column.right ? "right" : ""}>
                    {column.by ? (
                      <button
                        type="button"
                        class="plain"
                        onClick={() => setOrder({ column: index, down: sorted === "ascending" })}
                      >
                        {column.name}
                        {sorted === "none" ? "" : sorted === "ascending" ? " ↑" : " ↓"}
                      </button>
                    ) : (
                      column.name
                    )}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, drawn).map((row) => (
              <tr key={props.id(row)}>
                {props.columns.map((column) => (
                  <td key={column.name} class={column.right ? "right" : ""}>
                    {column.show(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > drawn && (
        <button type="button" onClick={() => setDrawn(drawn + 5 * STEP)}>
          {t("Show more")}
        </button>
      )}
    </section>
  );
}

function compare(one: string | number | null | undefined, other: string | number | null | undefined): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one ?? "").localeCompare(String(other ?? ""), undefined, { numeric: true });
}
