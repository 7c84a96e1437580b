#include <signal.h>

#include <array>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <string>

#include "api/backends.h"
#include "base/error.h"
#include "base/log.h"
#include "base/threads.h"
#include "tools/octet/logging.h"
#include "tools/octet/output.h"
#include "tools/octet/progress.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

/// Every verb, in the order that --help shows. A new one is a file verb_NAME.cpp, a declaration in
/// verbs.h and a row here.
constexpr std::array kVerbs{
    add_deploy, add_create, add_quantize, add_export,  add_build, add_bench,
    add_run,    add_eval,   add_verify,   add_inspect, add_knobs, add_version,
};

struct GlobalFlags {
  int threads = 0;
  int device = 0;
  bool verbose = false;
  bool quiet = false;
};

/// The first signal asks the work to stop and clean up; a second one ends the program at once.
void handle_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { request_interrupt(); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

void add_global_flags(CLI::App& app, GlobalFlags& flags, Context& context) {
  app.add_flag("--json", context.json, "print one JSON document instead of text");
  app.add_option("--threads", flags.threads, "threads of the CPU backend; 0 means one per core")
      ->check(CLI::Range(0, 1024));
  app.add_option("--device", flags.device, "which GPU the CUDA backend uses")
      ->check(CLI::Range(0, 1023));
  auto* verbose = app.add_flag("-v,--verbose", flags.verbose, "say more on stderr");
  app.add_flag("-q,--quiet", flags.quiet, "warnings and errors only, no progress")
      ->excludes(verbose);
}

std::string verb_names(const CLI::App& app) {
  std::string names;
  for (const CLI::App* verb : app.get_subcommands({})) {
    names += (names.empty() ? "" : ", ") + verb->get_name();
  }
  return names;
}

/// What is wrong with a command line, in one sentence.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  if (!app.get_subcommands().empty()) {
    const std::string verb = app.get_subcommands().front()->get_name();
    return fmt::format("{}; see `octet {} --help`", error.what(), verb);
  }
  for (const std::string& word : app.remaining()) {
    if (word.starts_with('-')) continue;
    return fmt::format("there is no verb '{}'; the verbs are {}", word, verb_names(app));
  }
  if (!app.remaining().empty()) {
    return fmt::format("there is no option '{}' here; see `octet --help`", app.remaining().front());
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return fmt::format("say what to do: {} (`octet --help` explains them)", verb_names(app));
  }
  return fmt::format("{}; see `octet --help`", error.what());
}

/// Runs the chosen verb.
void run(const GlobalFlags& flags, Context& context, ProgressBar& bar) {
  const LogLevel normal = flags.quiet ? LogLevel::warning : LogLevel::info;
  install_logger(flags.verbose ? LogLevel::debug : normal, bar);
  if (flags.threads > 0) set_thread_count(flags.threads);
  api::set_cuda_device(flags.device);
  if (!flags.quiet) context.progress = std::bind_front(&ProgressBar::update, &bar);
  handle_interrupts();
  context.action();
  flush_output();
}

int show_help(const CLI::App& app, const CLI::ParseError& wish) {
  app.exit(wish);
  flush_output();
  return 0;
}

/// Parses and runs; every way to fail becomes a sentence on stderr and an exit code.
int run_command_line(int count, char** words) {
  CLI::App app("Octet turns CLIP checkpoints into FP8 inference engines.", "octet");
  app.require_subcommand(1);
  app.fallthrough();
  Context context;
  GlobalFlags flags;
  add_global_flags(app, flags, context);
  for (const auto add : kVerbs) add(app, context);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return show_help(app, error);
    log_error(usage_problem(app, error));
    return static_cast<int>(ErrorCode::usage);
  }
  ProgressBar bar;
  try {
    run(flags, context, bar);
    return 0;
  } catch (const Error& error) {
    bar.clear();
    log_error(error.what());
    return static_cast<int>(error.code());
  }
}

}  // namespace
}  // namespace octet::cli

int main(int count, char** words) {
  try {
    return octet::cli::run_command_line(count, words);
  } catch (const std::bad_alloc&) {
    octet::cli::log_error("out of memory; use a smaller batch or a machine with more memory");
  } catch (const std::exception& error) {
    octet::cli::log_error(error.what());
  }
  return static_cast<int>(octet::ErrorCode::failed);
}
