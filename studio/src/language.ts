/** The texts of the studio, by their English. A language is a table from the English ones. */

type Table = Readonly<Record<string, string>>;

const TABLES: Readonly<Record<string, Table>> = {};

const table: Table = TABLES[navigator.language.slice(0, 2)] ?? {};

/** A text in the reader's language; `{name}` stands for what `values` has by that name. */
export function t(english: string, values: Readonly<Record<string, string | number>> = {}): string {
  const text = table[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const SMALL = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

export function number(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return (value !== 0 && Math.abs(value) < 0.01 ? SMALL : NUMBER).format(value);
}

export function bytes(value: number): string {
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (value >= 1024 && step < steps.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${NUMBER.format(value)} ${steps[step]}`;
}

export function time(iso: string | null | undefined): string {
  return iso ? TIME.format(new Date(iso)) : "–";
}

/** How long ago, or in how long. */
export function ago(iso: string | null | undefined): string {
  if (!iso) return "–";
  const seconds = (new Date(iso).getTime() - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size || size === 1) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return "";
}

/** Between two moments, as in `2 min 5 s`. */
export function lasted(from: string | null | undefined, to: string | null | undefined): string {
  if (!from) return "–";
  let seconds = Math.max(0, ((to ? new Date(to) : new Date()).getTime() - new Date(from).getTime()) / 1000);
  if (seconds < 60) return `${NUMBER.format(seconds)} s`;
  seconds = Math.round(seconds);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
