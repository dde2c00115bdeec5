/** How far a deployment is: from its state, why it failed, and what its logs tell. */

import { t } from "../../language";
import type { Step } from "../../parts/steps";
import type { OnlineDeploymentProperties } from "../../api";

const NAMES = ["Build the environment", "Fetch model and code", "Start instances", "Probes answer"] as const;

/** By Azure ML's codes, at which step it stopped. */
const STOPPED: Readonly<Record<string, number>> = {
  ImageBuildFailure: 0,
  ResourceNotFound: 1,
  UserScriptImportError: 2,
  UserScriptFunctionNotFound: 2,
  UserScriptInitFailed: 2,
  OutOfQuota: 2,
  QuotaExceeded: 2,
};

const WORDS: Readonly<Record<string, string>> = {
  ImageBuildFailure: "What the environment asks for could not be installed. The log of the build says which package; mend the conda file, register a new version and change the deployment to it.",
  ResourceNotFound: "A file of the model or the code is not where it was registered. Register it again, as a new version.",
  UserScriptImportError: "The scoring script could not be imported: it may need a package that the environment lacks, or a file that is not in its code.",
  UserScriptFunctionNotFound: "The scoring script lacks init() or run(). It needs both.",
  UserScriptInitFailed: "init() raised. The log beside has its traceback.",
  OutOfQuota: "The machine has no room for it. Use a smaller instance type or fewer instances, or delete what is not needed.",
  QuotaExceeded: "The machine has no room for it. Use a smaller instance type or fewer instances, or delete what is not needed.",
  ResourceNotReady: "Its instances did not come to answer. The log beside says what they did last.",
  BadArgument: "What was asked for can't be run here.",
};

export interface Progress {
  steps: Step[];
  /** The log that tells of the step it is at. */
  log: "StorageInitializer" | "InferenceServer";
  /** What a failure means, and what to do. */
  words: string | null;
}

/** `build` and `script` are what its logs hold so far. */
export function progress(of: OnlineDeploymentProperties, build: string, script: string): Progress {
  const { provisioningState: state, error } = of;
  const begun = script.trim() !== "";
  let at: number = NAMES.length;
  if (error) at = STOPPED[error.code] ?? (begun ? 3 : 2);
  else if (state !== "Succeeded") at = begun ? 3 : /^Environment .+ built in/m.test(build) ? 1 : 0;
  const isMoving = !error && state !== "Succeeded";
  const steps = NAMES.map((name, index): Step => {
    if (index < at) return { name: t(name), state: "done" };
    if (index > at) return { name: t(name), state: error ? "off" : "next" };
    return { name: t(name), state: isMoving ? "active" : "failed", ...(error && { words: error.code }) };
  });
  return {
    steps,
    log: at === 0 || (at === 1 && !begun) ? "StorageInitializer" : "InferenceServer",
    words: error ? t(WORDS[error.code] ?? "It stopped here; the log beside says more.") : null,
  };
}
