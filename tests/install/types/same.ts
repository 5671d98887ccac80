// What the modules are is what index.d.ts declares.
import type * as declared from "../../../client-js/src/index.d.ts";
import { connect } from "../../../client-js/src/live_session.js";
import { SessionError } from "../../../client-js/src/resume/errors.js";

export const connects: typeof declared.connect = connect;
export const throws: typeof declared.SessionError = SessionError;
