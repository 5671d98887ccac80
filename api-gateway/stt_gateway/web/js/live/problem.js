// Notices about problems with a recording and how to solve them.
import { has, t } from "../i18n/index.js";
import { button, notice } from "../ui/dom.js";

const STEPS = { mic_denied: 3, mic_missing: 2, mic_insecure: 2 };

/** Try again calls `again`. */
export function problemNotice({ code, message }, again) {
  const key = has(`problem.${code}`) ? code : "other";
  const steps = Array.from({ length: STEPS[key] ?? 0 }, (_, i) => t(`problem.${key}.step${i + 1}`));
  return notice({
    kind: key === "at_capacity" || key === "ended" || key === "buffer_full" ? "warn" : "bad",
    name: "warn",
    title: t(`problem.${key}`),
    text: has(`problem.${key}.text`) ? t(`problem.${key}.text`, { message }) : message,
    steps,
    role: "alert",
    actions:
      key === "mic_insecure" || key === "mic_unsupported"
        ? []
        : [button({ name: "retry", text: t("action.again"), kind: "small", onclick: again })],
  });
}
