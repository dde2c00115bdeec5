// Loaded before a server (node --require): the server ends when its standard input does, so
// that it never outlives the tests that started it.
"use strict";

process.stdin.on("end", () => process.exit(0));
process.stdin.on("error", () => process.exit(0));
process.stdin.resume();
