import { useEffect, useState } from "preact/hooks";
import { call, get } from "../host";
import { t } from "../language";
import { Ask } from "../parts/dialog";
import { Input } from "../parts/form";
import { Told } from "../parts/told";
import type { Resource } from "../envelope";

interface Sheet {
  isSample: boolean;
  currency: string;
  asOf: string | null;
  source: string;
  instanceTypes: Record<string, number>;
  machinePerHour: number | null;
  corePerHour: number | null;
  gibPerHour: number | null;
  millionRequests: number;
  gibMoved: number;
  gibStoredPerMonth: number;
}

const PATH = "priceSheets/default";

/** What may be left out, and what each price is for. */
const PRICES: readonly (readonly [keyof Sheet & string, string, string])[] = [
  ["machinePerHour", "This machine, an hour", "an instance pays its part of it; then the types' prices do not count"],
  ["corePerHour", "A core, an hour", "of types without a price of their own"],
  ["gibPerHour", "A GiB of memory, an hour", "of types without a price of their own"],
  ["millionRequests", "A million requests", ""],
  ["gibMoved", "A GiB moved", ""],
  ["gibStoredPerMonth", "A GiB stored, a month", ""],
];

/** The prices by which everything is reckoned, what was used already included. */
export function Prices({ onClose, onDone }: { onClose(): void; onDone(): void }) {
  const [form, setForm] = useState<Record<string, string> | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  useEffect(() => {
    get<Resource<Sheet>>(PATH)
      .then(({ properties }) => setForm(written(properties)))
      .catch((error: unknown) => setFault(error instanceof Error ? error : new Error(String(error))));
  }, []);
  const properties = form && read(form);
  const set = (name: string) => (value: string) => setForm({ ...form, [name]: value });
  return (
    <Ask
      title={t("Prices")}
      act={t("Set them")}
      may={properties !== null}
      command={properties ? `mle cost --set-prices /dev/stdin <<'END'\n${JSON.stringify(properties, null, 2)}\nEND` : undefined}
      onClose={onClose}
      onAct={async () => {
        await call("PUT", PATH, { properties });
        onDone();
      }}
    >
      <Told fault={fault} />
      {form && (
        <>
          <div class="pair">
            <Input label={t("Currency")} required pattern="[A-Z]{3}" value={form["currency"] ?? ""} target="properties.currency" onChange={set("currency")} />
            <Input label={t("As of")} placeholder="2026-01-31" value={form["asOf"] ?? ""} target="properties.asOf" onChange={set("asOf")} />
            {PRICES.map(([name, label, hint]) => (
              <Input
                key={name}
                label={t(label)}
                type="number"
                min={0}
                step="any"
                value={form[name] ?? ""}
                target={`properties.${name}`}
                hint={hint && t(hint)}
                onChange={set(name)}
              />
            ))}
          </div>
          <Input label={t("Where they are from")} value={form["source"] ?? ""} target="properties.source" onChange={set("source")} />
          <Input
            label={t("Instance types, an hour")}
            rows={8}
            placeholder="Standard_DS3_v2 = 0.293"
            value={form["instanceTypes"] ?? ""}
            target="properties.instanceTypes"
            hint={t("a line each: name = price")}
            onChange={set("instanceTypes")}
          />
        </>
      )}
    </Ask>
  );
}

function written(sheet: Sheet): Record<string, string> {
  const prices = PRICES.map(([name]) => [name, sheet[name] === null ? "" : String(sheet[name] ?? "")]);
  const types = Object.entries(sheet.instanceTypes).map(([name, price]) => `${name} = ${price}`);
  return {
    ...(Object.fromEntries(prices) as Record<string, string>),
    currency: sheet.currency,
    // A sample's source and date are not those of what is set in its place.
    asOf: sheet.isSample ? "" : (sheet.asOf ?? ""),
    source: sheet.isSample ? "" : sheet.source,
    instanceTypes: types.join("\n"),
  };
}

/** A price that is no number goes as it is written: the host says what is wrong with it. */
function read(form: Readonly<Record<string, string>>): Record<string, unknown> {
  const types = (form["instanceTypes"] ?? "")
    .split("\n")
    .map((line) => line.split("="))
    .filter(([name]) => name?.trim())
    .map(([name = "", price = ""]) => [name.trim(), price.trim() === "" ? null : (numeric(price.trim()) ?? price.trim())]);
  const prices = PRICES.filter(([name]) => form[name]).map(([name]) => [name, numeric(form[name] ?? "")]);
  return {
    currency: form["currency"],
    ...(form["asOf"] && { asOf: form["asOf"] }),
    ...(form["source"] && { source: form["source"] }),
    ...Object.fromEntries(prices),
    instanceTypes: Object.fromEntries(types),
  };
}

function numeric(text: string): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}
