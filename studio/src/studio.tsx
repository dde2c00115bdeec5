import { useEffect, useState } from "preact/hooks";
import { setWorkspace } from "./host";
import { t } from "./language";
import { Access } from "./pages/access";
import { AlertPage, Alerts } from "./pages/alerts";
import { ASSETS, Asset, Assets } from "./pages/assets";
import { BatchDeploymentPage } from "./pages/batch-deployment";
import { BatchEndpointPage } from "./pages/batch-endpoint";
import { Costs } from "./pages/costs";
import { DropPage, Drops } from "./pages/drops";
import { JobPage } from "./pages/jobs/job";
import { Jobs } from "./pages/jobs/jobs";
import { DeploymentPage } from "./pages/online/deployment";
import { OnlineEndpointPage } from "./pages/online/endpoint";
import { Overview } from "./pages/overview";
import { Queues } from "./pages/queues";
import { SignIn } from "./pages/sign-in";
import { Empty } from "./parts/told";
import { place, to } from "./router";
import { begin, leave, settings, standing } from "./session";

const LINKS: readonly [string, string][] = [
  ["", "Endpoints"],
  ["jobs", "Jobs"],
  ["drops", "Drops"],
  ...Object.entries(ASSETS).map(([kind, { title }]): [string, string] => [kind, title]),
  ["queues", "Dead letters"],
  ["alerts", "Alerts"],
  ["costs", "Costs"],
  ["access", "Access"],
];

/** A host that starts is waited for; milliseconds. */
const AGAIN = 2000;

export function Studio() {
  const [fault, setFault] = useState<Error | null>(null);
  useEffect(() => {
    async function attempt(): Promise<void> {
      try {
        await begin();
        setFault(null);
      } catch (error) {
        setFault(error instanceof Error ? error : new Error(String(error)));
        setTimeout(() => void attempt(), AGAIN);
      }
    }
    void attempt();
  }, []);

  if (settings.value) setWorkspace(settings.value.workspace);
  if (fault) {
    return (
      <main class="alone">
        <Empty title={t("The host does not answer")}>
          <p>{fault.message}</p>
          <p>{t("Is it up? mle up starts one on this machine.")}</p>
          <button type="button" onClick={() => location.reload()}>
            {t("Again")}
          </button>
        </Empty>
      </main>
    );
  }
  if (standing.value === "unknown") return <p class="wait">{t("Loading…")}</p>;
  if (standing.value === "out") return <SignIn />;
  return (
    <>
      <a class="skip" href="#content">
        {t("To the content")}
      </a>
      <header>
        <a class="name" href={to()}>
          ml-endpoints
        </a>
        <nav aria-label={t("Pages")}>
          {LINKS.map(([path, name]) => (
            <a key={path} href={to(...(path ? [path] : []))} aria-current={isHere(path) ? "page" : undefined}>
              {t(name)}
            </a>
          ))}
        </nav>
        <button type="button" class="plain" onClick={turn}>
          {t("Theme")}
        </button>
        <button type="button" class="plain" onClick={() => void leave()}>
          {t("Sign out")}
        </button>
      </header>
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
    </>
  );
}

function isHere(path: string): boolean {
  const [first = ""] = place.value.parts;
  return first === path || (path === "" && ["online", "batch"].includes(first));
}

function Page() {
  const [kind = "", name, version] = place.value.parts;
  useEffect(() => {
    document.title = [name, kind || t("Endpoints"), "ml-endpoints"].filter(Boolean).join(" · ");
  }, [kind, name]);
  if (kind === "") return <Overview />;
  if (kind === "online" && name && version) return <DeploymentPage key={`${name}/${version}`} endpoint={name} name={version} />;
  if (kind === "online" && name) return <OnlineEndpointPage key={name} name={name} />;
  if (kind === "batch" && name && version) return <BatchDeploymentPage key={`${name}/${version}`} endpoint={name} name={version} />;
  if (kind === "batch" && name) return <BatchEndpointPage key={name} name={name} />;
  if (kind === "jobs") return name ? <JobPage key={name} name={name} /> : <Jobs />;
  if (kind === "alerts") return name ? <AlertPage key={name} name={name} /> : <Alerts />;
  if (kind === "drops") return name ? <DropPage key={name} endpoint={name} /> : <Drops />;
  if (kind === "queues") return <Queues />;
  if (kind === "costs") return <Costs />;
  if (kind === "access") return <Access />;
  if (kind in ASSETS) {
    return name ? <Asset key={`${kind}/${name}`} kind={kind} name={name} version={version} /> : <Assets key={kind} kind={kind} />;
  }
  return (
    <Empty title={t("There is no such page")}>
      <a href={to()}>{t("To the endpoints")}</a>
    </Empty>
  );
}

function turn(): void {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset["theme"] ?? (dark ? "dark" : "light");
  root.dataset["theme"] = now === "dark" ? "light" : "dark";
}
