// Query parameters of a session from the user's settings. Pure.

/** Parameters that Live and conversations share. */
export function sessionQuery(settings, server) {
  const query = { language: server.languageFor(settings.language), endpointing_ms: settings.endpointing };
  if (settings.prompt) query.prompt = settings.prompt;
  return query;
}
