#include "base/threads.h"
#include "octet/version.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

#ifdef NDEBUG
constexpr std::string_view kBuild = "release";
#else
constexpr std::string_view kBuild = "debug";
#endif

void print_version(bool json) {
  const OrderedJson facts = {{"version", OCTET_VERSION},
                             {"build", kBuild},
                             {"compiler", __VERSION__},
                             {"threads", thread_count()}};
  if (json) return print_json(facts);
  print("octet {}\n", OCTET_VERSION);
  print("build     {}, compiler {}\n", kBuild, __VERSION__);
  print("threads   {}\n", thread_count());
}

}  // namespace

void add_version(CLI::App& app, Context& context) {
  add_verb(app, context, "version", "print the version and what this build and machine can do",
           [&context] { print_version(context.json); });
}

}  // namespace octet::cli
