import { useEffect, useState } from "preact/hooks";
import { call, change, Refusal } from "../host";
import { number, t } from "../language";
import { Chart } from "../parts/chart";
import { Ask } from "../parts/dialog";
import { money } from "../parts/estimate";
import { Choice, Input, useForm, whole } from "../parts/form";
import { May } from "../parts/may";
import { type Column, Table } from "../parts/table";
import { Empty, Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { ask, place, to } from "../router";
import { word } from "../yaml";
import { Prices } from "./prices";

interface Answer {
  properties: {
    columns: { name: string }[];
    rows: (string | number | null)[][];
    prices: { isSample: boolean; asOf?: string | null; source?: string | null };
    unpricedInstanceTypes: string[];
  };
}

const FRAMES: readonly (readonly [string, string])[] = [
  ["MonthToDate", "This month"],
  ["TheLastMonth", "The last month"],
  ["WeekToDate", "This week"],
  ["Today", "Today"],
];

interface Spent {
  endpoint: string;
  kind: string;
  cost: number;
  idle: number;
}

function columns(currency: string): readonly Column<Spent>[] {
  return [
    {
      name: t("Endpoint"),
      by: (row) => row.endpoint,
      show: (row) => <a href={to(row.kind === "batchEndpoints" ? "batch" : "online", row.endpoint)}>{row.endpoint}</a>,
    },
    { name: t("Cost"), right: true, by: (row) => row.cost, show: (row) => money(row.cost, currency) },
    { name: t("Of it idle"), right: true, by: (row) => row.idle, show: (row) => money(row.idle, currency) },
    {
      name: t("Idle share"),
      right: true,
      by: (row) => (row.cost ? row.idle / row.cost : 0),
      show: (row) => (row.cost ? `${number((row.idle / row.cost) * 100)} %` : "–"),
    },
  ];
}

/** What was used, and what it costs by the prices that are set. */
export function Costs() {
  const frame = place.value.query.get("frame") ?? "MonthToDate";
  const [pricing, setPricing] = useState(false);
  const { answer, fault, again } = useCosts(frame);
  const found = answer?.properties;
  const currency = String(found?.rows[0]?.at(-1) ?? "USD");
  const spent = found ? byEndpoint(found) : [];
  const all = spent.reduce((sum, each) => sum + each.cost, 0);
  const idle = spent.reduce((sum, each) => sum + each.idle, 0);
  return (
    <>
      <div class="row">
        <h1>{t("Costs")}</h1>
        <span class="grow" />
        <label class="inline">
          {t("Time")}
          <select value={frame} onChange={(event) => ask("frame", event.currentTarget.value)}>
            {FRAMES.map(([value, name]) => (
              <option key={value} value={value}>
                {t(name)}
              </option>
            ))}
          </select>
        </label>
        <May act="priceSheets/write">
          <button type="button" onClick={() => setPricing(true)}>
            {t("Prices")}
          </button>
        </May>
      </div>
      <Told fault={fault} />
      {pricing && <Prices onClose={() => setPricing(false)} onDone={again} />}
      {found && (
        <>
          {found.prices.isSample && <p class="told">{t("These are a sample's prices, not yours: Prices sets them.")} {found.prices.source}</p>}
          {found.unpricedInstanceTypes.length > 0 && (
            <p class="told bad">{t("No price is set for {types}: what they cost is not in here.", { types: found.unpricedInstanceTypes.join(", ") })}</p>
          )}
          <dl class="tiles" aria-label={t("In all")}>
            <div class="tile">
              <dt>{t("Cost")}</dt>
              <dd>{money(all, currency)}</dd>
            </div>
            <div class="tile">
              <dt>{t("While nobody asked")}</dt>
              <dd>{money(idle, currency)}</dd>
            </div>
            <div class="tile">
              <dt>{t("Endpoints")}</dt>
              <dd>{number(spent.length)}</dd>
            </div>
          </dl>
          {spent.length === 0 ? (
            <Empty title={t("Nothing has run in this time")} />
          ) : (
            <>
              <Daily of={found} currency={currency} />
              <Table label={t("costs")} rows={spent} columns={columns(currency)} id={(row) => `${row.kind}/${row.endpoint}`} />
            </>
          )}
        </>
      )}
      <Budgets />
    </>
  );
}

interface Costed {
  answer: Answer | null;
  fault: Error | null;
}

function useCosts(timeframe: string): Costed & { again(): void } {
  const [seen, setSeen] = useState<Costed>({ answer: null, fault: null });
  const [looks, setLooks] = useState(0);
  useEffect(() => {
    let gone = false;
    const dataset = {
      granularity: "Daily",
      aggregation: { cost: { name: "Cost", function: "Sum" }, idle: { name: "IdleCost", function: "Sum" } },
      grouping: [
        { type: "Dimension", name: "Endpoint" },
        { type: "Dimension", name: "Kind" },
      ],
    };
    async function read(): Promise<void> {
      try {
        const { body } = await call<Answer>("POST", "providers/Microsoft.CostManagement/query", { timeframe, dataset });
        if (!gone) setSeen({ answer: body, fault: null });
      } catch (error) {
        const fault = error instanceof Refusal ? error : new Error(String(error));
        if (!gone) setSeen((before) => ({ ...before, fault }));
      }
    }
    void read();
    const timer = setInterval(() => void (document.hidden || read()), 30_000);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [timeframe, looks]);
  return { ...seen, again: () => setLooks(looks + 1) };
}

function at(of: Answer["properties"], name: string): number {
  return of.columns.findIndex((each) => each.name === name);
}

function byEndpoint(of: Answer["properties"]): Spent[] {
  const [cost, idle, endpoint, kind] = ["Cost", "IdleCost", "Endpoint", "Kind"].map((name) => at(of, name)) as [number, number, number, number];
  const found = new Map<string, Spent>();
  for (const row of of.rows) {
    const key = `${row[kind]}/${row[endpoint]}`;
    const had = found.get(key) ?? { endpoint: String(row[endpoint]), kind: String(row[kind]), cost: 0, idle: 0 };
    found.set(key, { ...had, cost: had.cost + Number(row[cost]), idle: had.idle + Number(row[idle]) });
  }
  return [...found.values()].sort((one, other) => other.cost - one.cost);
}

function Daily({ of, currency }: { of: Answer["properties"]; currency: string }) {
  const [cost, idle, date] = ["Cost", "IdleCost", "UsageDate"].map((name) => at(of, name)) as [number, number, number];
  const days = new Map<number, [number, number]>();
  for (const row of of.rows) {
    const day = Number(row[date]);
    const had = days.get(day) ?? [0, 0];
    days.set(day, [had[0] + Number(row[cost]), had[1] + Number(row[idle])]);
  }
  const found = [...days].sort(([one], [other]) => one - other);
  if (found.length < 2) return null;
  const times = found.map(([day]) => Date.UTC(Math.floor(day / 10_000), (Math.floor(day / 100) % 100) - 1, day % 100) / 1000);
  const lines = [
    { name: t("Cost"), values: found.map(([, [all]]) => all) },
    { name: t("Idle"), values: found.map(([, [, unused]]) => unused) },
  ];
  return <Chart title={t("By day")} unit={currency} times={times} lines={lines} />;
}

type Budget = Resource<{
  amount: number;
  timeGrain: string;
  currentSpend?: { amount: number; unit: string } | null;
  notifications?: Record<string, { threshold: number; toldFor: string | null }>;
}>;

const BUDGETS: readonly Column<Budget>[] = [
  { name: t("Budget"), by: (row) => row.name, show: (row) => row.name },
  { name: t("For"), by: (row) => row.properties.timeGrain, show: (row) => t(row.properties.timeGrain) },
  {
    name: t("Spent"),
    by: share,
    show: (row) => (
      <span class="traffic">
        <meter min={0} max={1} low={0.8} high={0.99} optimum={0} value={Math.min(1, share(row))} aria-label={t("Spent")} />
        <span>
          {t("{spent} of {amount}", {
            spent: money(row.properties.currentSpend?.amount ?? 0, row.properties.currentSpend?.unit ?? "USD"),
            amount: money(row.properties.amount, row.properties.currentSpend?.unit ?? "USD"),
          })}
        </span>
      </span>
    ),
  },
  {
    name: t("Told at"),
    show: (row) =>
      Object.values(row.properties.notifications ?? {})
        .map((each) => `${each.threshold} %${each.toldFor ? " ✓" : ""}`)
        .join(", "),
  },
];

function share(row: Budget): number {
  return row.properties.amount ? (row.properties.currentSpend?.amount ?? 0) / row.properties.amount : 0;
}

function Budgets() {
  const seen = usePolled<ListOf<Budget>>("budgets", 15);
  const [making, setMaking] = useState(false);
  const rows = seen.value.value?.value ?? [];
  return (
    <>
      <div class="row">
        <h1>{t("Budgets")}</h1>
        <span class="grow" />
        <May act="budgets/write">
          <button type="button" onClick={() => setMaking(true)}>
            {t("New budget")}
          </button>
        </May>
      </div>
      <Stale fault={seen.value.fault} />
      {seen.value.value && !rows.length ? (
        <Empty title={t("No budget yet")}>
          <p>{t("A budget tells event subscriptions when spending passes a part of it. It stops nothing.")}</p>
        </Empty>
      ) : (
        <Table label={t("budgets")} rows={rows} columns={BUDGETS} id={(row) => row.name} />
      )}
      {making && <NewBudget onClose={() => setMaking(false)} onDone={() => seen.again()} />}
    </>
  );
}

function NewBudget({ onClose, onDone }: { onClose(): void; onDone(): void }) {
  const [form, set] = useForm({ name: "", amount: "100", grain: "Monthly", most: "80" });
  return (
    <Ask
      title={t("New budget")}
      act={t("Create")}
      command={`mle budget set -n ${word(form.name || "NAME")} --amount ${form.amount} --time-grain ${form.grain.toLowerCase()} --at ${form.most} 100`}
      onClose={onClose}
      onAct={async (told) => {
        const notifications = { Most: { threshold: whole(form.most) }, All: { threshold: 100 } };
        const properties = { amount: Number(form.amount), timeGrain: form.grain, notifications };
        await change("PUT", `budgets/${encodeURIComponent(form.name)}`, { properties }, told);
        onDone();
      }}
    >
      <Input label={t("Name")} required autofocus value={form.name} target="name" onChange={(name) => set({ name })} />
      <Input label={t("Amount")} type="number" min={0} step="any" required value={form.amount} target="properties.amount" onChange={(amount) => set({ amount })} />
      <Choice
        label={t("For")}
        value={form.grain}
        target="properties.timeGrain"
        options={["Daily", "Monthly", "Quarterly", "Annually"].map((value) => ({ value, name: t(value) }))}
        onChange={(grain) => set({ grain })}
      />
      <Input
        label={t("Told at, in percent")}
        type="number"
        min={1}
        value={form.most}
        target="properties.notifications"
        hint={t("and at 100")}
        onChange={(most) => set({ most })}
      />
    </Ask>
  );
}
