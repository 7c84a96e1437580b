#include "base/knob.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.h"

namespace octet {
namespace {

constexpr std::array kKnobs{
    Knob{"OCTET_THREADS", "0", "threads of the CPU backend; 0 means one per core"},
    Knob{"OCTET_CPU_KERNELS", "auto",
         "matrix kernel set of the CPU backend: auto, or a name that `octet version` lists"},
    Knob{"OCTET_DISABLE_PASS", "", "comma-separated graph passes that are skipped"},
    Knob{"OCTET_CUDA_DRIVER", "libcuda.so.1", "the NVIDIA driver's library, a name or a path"},
    Knob{"OCTET_NVRTC", "",
         "path of libnvrtc, the compiler of GPU kernels; empty looks in the usual places"},
    Knob{"OCTET_CACHE", "", "folder of compiled and timed GPU kernels; empty means ~/.cache/octet"},
    Knob{"OCTET_DUMP_GRAPH", "", "folder that receives the graph's text after every pass"},
};

}  // namespace

std::span<const Knob> all_knobs() {
  return kKnobs;
}

std::string knob(std::string_view name) {
  const auto* row = std::ranges::find(kKnobs, name, &Knob::name);
  check(row != kKnobs.end(), "no knob named {}", name);
  const char* value = std::getenv(std::string(name).c_str());
  return value != nullptr ? value : std::string(row->fallback);
}

std::filesystem::path cache_folder() {
  if (const std::string chosen = knob("OCTET_CACHE"); !chosen.empty()) return chosen;
  if (const char* caches = std::getenv("XDG_CACHE_HOME"); caches != nullptr && *caches != 0) {
    return std::filesystem::path(caches) / "octet";
  }
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/tmp") / ".cache" / "octet";
}

}  // namespace octet
