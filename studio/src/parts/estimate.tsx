import { t } from "../language";
import { usePolled } from "../polled";

interface Estimate {
  properties: { currency: string; perHour: number | null; perMonth: number | null; prices: { isSample: boolean } };
}

/** What so many instances of a type cost while they run. */
export function CostEstimate({ type, count }: { type: string; count: number }) {
  const query = new URLSearchParams({ instanceType: type, instanceCount: String(count) });
  const seen = usePolled<Estimate>(count > 0 ? `costEstimate?${query.toString()}` : null, 600);
  const found = seen.value.value?.properties;
  if (!found || found.perHour === null) return null;
  return (
    <p class="quiet" role="status">
      {t("While it runs it costs {hour} an hour, {month} a month", { hour: money(found.perHour, found.currency), month: money(found.perMonth ?? 0, found.currency) })}
      {found.prices.isSample ? ` (${t("by the sample's prices, not yours")}).` : "."}
    </p>
  );
}

/** Making one takes longer than a row of a list may. */
const FORMATS = new Map<string, Intl.NumberFormat>();

/** Small amounts keep two digits that count. */
export function money(amount: number, currency: string): string {
  const small = Math.abs(amount) > 0 && Math.abs(amount) < 1;
  const key = `${currency}${small ? " small" : ""}`;
  let format = FORMATS.get(key);
  if (!format) {
    const digits = small ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 };
    format = new Intl.NumberFormat(undefined, { style: "currency", currency, ...digits });
    FORMATS.set(key, format);
  }
  return format.format(amount);
}
