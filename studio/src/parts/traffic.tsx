/** Which part of the requests goes to which deployment, drawn and in words. */
export function Traffic({ shares }: { shares: Readonly<Record<string, number>> }) {
  const parts = Object.entries(shares)
    .map(([name, share], index) => ({ name, share, index }))
    .filter(({ share }) => share > 0);
  if (!parts.length) return <span class="quiet">–</span>;
  return (
    <span class="traffic">
      <span class="bar" aria-hidden="true">
        {parts.map(({ name, share, index }) => (
          <span key={name} class={`slice s${index % 6}`} style={{ width: `${share}%` }} />
        ))}
      </span>
      <span>{parts.map(({ name, share }) => `${name} ${share} %`).join(", ")}</span>
    </span>
  );
}
