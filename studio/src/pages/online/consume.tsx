import { t } from "../../language";
import { Code } from "../../parts/copied";
import type { OnlineEndpoint } from "../../api";

/** How a program calls it. */
export function Consume({ endpoint }: { endpoint: OnlineEndpoint }) {
  const uri = endpoint.properties.scoringUri;
  return (
    <>
      <p>
        {t("Put the endpoint's key or token into the variable KEY.")}{" "}
        {t("A host with a CA of its own needs that CA too: its file stands as ca_file in the host's connection.json.")}
      </p>
      {Object.entries(samples(uri)).map(([label, text]) => (
        <Code key={label} label={label} text={text} />
      ))}
    </>
  );
}

/** By language. */
export function samples(uri: string): Record<string, string> {
  const body = '{"data": [1, 2, 3]}';
  return {
    curl: `curl --fail-with-body "${uri}" \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '${body}'`,
    Python: `import json
import os
import urllib.request

request = urllib.request.Request(
    "${uri}",
    data=json.dumps(${body}).encode(),
    headers={"Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(answer.read().decode())`,
    JavaScript: `const answer = await fetch("${uri}", {
  method: "POST",
  headers: { Authorization: \`Bearer \${process.env.KEY}\`, "Content-Type": "application/json" },
  body: JSON.stringify(${body}),
});
console.log(await answer.text());`,
    "C#": `using System.Net.Http.Headers;
using System.Text;

using var client = new HttpClient();
client.DefaultRequestHeaders.Authorization =
    new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("KEY"));
var content = new StringContent("""${body}""", Encoding.UTF8, "application/json");
var answer = await client.PostAsync("${uri}", content);
Console.WriteLine(await answer.Content.ReadAsStringAsync());`,
  };
}
