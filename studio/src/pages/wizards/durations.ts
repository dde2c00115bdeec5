/** Seconds as fields have them, and as REST writes them. */

export function durationOf(seconds: string): string {
  return `PT${Number(seconds)}S`;
}

/** Of `PT1M30S`: "90". */
export function secondsOf(duration: string | null | undefined): string {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(duration ?? "");
  if (!found) return "";
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = found;
  return String(Number(days) * 86_400 + Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds));
}
