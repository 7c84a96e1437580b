#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>

#include "base/progress.h"

namespace octet::cli {

/// What every verb shares: the global flags, the progress display, and the action chosen.
struct Context {
  bool json = false;  ///< print one JSON document on stdout instead of text
  Progress progress;  ///< hand this to long work; silent unless stderr is a terminal

  /// The chosen verb's work. It runs after the whole command line has been read and the logger,
  /// the threads and the progress display stand. Throws `Error` for whatever goes wrong, a missed
  /// bar included.
  std::function<void()> action;
};

/// Adds a verb that runs `action` when it is chosen.
template <typename Action>
CLI::App* add_verb(CLI::App& app, Context& context, const std::string& name,
                   const std::string& description, Action action) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->callback([&context, action = std::move(action)] { context.action = action; });
  return verb;
}

// One file each, verb_NAME.cpp; main.cpp lists them in the order that --help shows.
void add_deploy(CLI::App& app, Context& context);
void add_create(CLI::App& app, Context& context);
void add_quantize(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_build(CLI::App& app, Context& context);
void add_bench(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_verify(CLI::App& app, Context& context);
void add_inspect(CLI::App& app, Context& context);
void add_knobs(CLI::App& app, Context& context);
void add_version(CLI::App& app, Context& context);

}  // namespace octet::cli
