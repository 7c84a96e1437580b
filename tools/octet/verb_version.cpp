#include "base/threads.h"
#include "cpu/matrix.h"
#include "cuda/compiler.h"
#include "cuda/driver.h"
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

/// Matrix kernel sets of the CPU backend: name, and whether this machine has what the set needs.
OrderedJson kernel_sets() {
  OrderedJson sets = OrderedJson::object();
  for (const cpu::MatrixSet& set : cpu::matrix_sets()) {
    sets[std::string(set.name)] = !set.available()                     ? "not on this machine"
                                  : set.name == cpu::matrix_set().name ? "in use"
                                                                       : "available";
  }
  return sets;
}

/// The driver, the GPU that kernels would run on, and the compiler of kernels, or why not.
OrderedJson cuda_facts() {
  const cuda::Availability& driver = cuda::availability();
  const cuda::CompilerAvailability& compiler = cuda::compiler();
  OrderedJson facts;
  facts["driver"] = driver.available ? fmt::format("CUDA {}.{}", driver.driver_version / 1000,
                                                   driver.driver_version % 1000 / 10)
                                     : driver.reason;
  if (driver.available) {
    const cuda::DeviceProperties& device = cuda::Device::get(0).properties();
    facts["device"] =
        fmt::format("{} ({}, {} multiprocessors, {:.0f} GiB)", device.name, device.arch(),
                    device.multiprocessors, static_cast<double>(device.memory_bytes) / (1 << 30));
  }
  facts["compiler"] =
      compiler.available ? fmt::format("NVRTC {}", compiler.version) : compiler.reason;
  return facts;
}

void print_version(bool json) {
  const OrderedJson facts = {{"version", OCTET_VERSION},     {"build", kBuild},
                             {"compiler", __VERSION__},      {"threads", thread_count()},
                             {"cpu_kernels", kernel_sets()}, {"cuda", cuda_facts()}};
  if (json) return print_json(facts);
  print("octet {}\n", OCTET_VERSION);
  print("build     {}, compiler {}\n", kBuild, __VERSION__);
  print("threads   {}\n", thread_count());
  for (const auto& [name, state] : facts["cpu_kernels"].items()) {
    print("kernels   {}: {}\n", name, state.get<std::string>());
  }
  for (const auto& [name, state] : facts["cuda"].items()) {
    print("cuda      {}: {}\n", name, state.get<std::string>());
  }
}

}  // namespace

void add_version(CLI::App& app, Context& context) {
  add_verb(app, context, "version", "print the version and what this build and machine can do",
           [&context] { print_version(context.json); });
}

}  // namespace octet::cli
