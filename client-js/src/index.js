// Client of the suite's live path, whose sessions survive lost connections: README.md.
export { connect } from "./live_session.js";
export { SessionError } from "./resume/errors.js";
