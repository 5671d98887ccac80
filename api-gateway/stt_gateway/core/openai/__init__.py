"""OpenAI's API for audio in terms of jobs: what a request asks for, and a result in each of its formats; pure."""
