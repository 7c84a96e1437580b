#include "cuda/compiler.h"

#include <algorithm>
#include <array>
#include <optional>
#include <regex>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/knob.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/threads.h"
#include "checkpoint/safetensors.h"
#include "cuda/kernel_texts.h"
#include "cuda/library.h"

namespace octet::cuda {
namespace {

using Program = struct nvrtcProgram_st*;
using Result = int;
constexpr Result kNvrtcSuccess = 0;

/// The entry points of NVRTC that we use.
struct NvrtcTable {
  Result (*version)(int*, int*);
  const char* (*error_string)(Result);
  Result (*create)(Program*, const char*, const char*, int, const char* const*, const char* const*);
  Result (*destroy)(Program*);
  Result (*compile)(Program, int, const char* const*);
  Result (*cubin_size)(Program, size_t*);
  Result (*cubin)(Program, char*);
  Result (*log_size)(Program, size_t*);
  Result (*log)(Program, char*);
};

struct Loaded {
  NvrtcTable table{};
  CompilerAvailability availability;
};

std::vector<std::string> library_names() {
  if (std::string chosen = knob("OCTET_NVRTC"); !chosen.empty()) return {std::move(chosen)};
  return {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so",
          "/usr/local/cuda/lib/libnvrtc.so"};
}

void find_all(Library& library, NvrtcTable& table) {
  library.find("nvrtcVersion", table.version);
  library.find("nvrtcGetErrorString", table.error_string);
  library.find("nvrtcCreateProgram", table.create);
  library.find("nvrtcDestroyProgram", table.destroy);
  library.find("nvrtcCompileProgram", table.compile);
  library.find("nvrtcGetCUBINSize", table.cubin_size);
  library.find("nvrtcGetCUBIN", table.cubin);
  library.find("nvrtcGetProgramLogSize", table.log_size);
  library.find("nvrtcGetProgramLog", table.log);
}

std::string load(Loaded& loaded) {
  Library library(library_names());
  if (!library.opened()) {
    return "libnvrtc is not installed (it comes with the CUDA toolkit; knob OCTET_NVRTC names one)";
  }
  find_all(library, loaded.table);
  if (!library.missing().empty()) {
    return fmt::format("libnvrtc is too old: it has no {}", library.missing());
  }
  int major = 0;
  int minor = 0;
  static_cast<void>(loaded.table.version(&major, &minor));
  loaded.availability.version = fmt::format("{}.{}", major, minor);
  return {};
}

const Loaded& loaded() {
  static const Loaded once = loaded_by(load);
  return once;
}

const NvrtcTable& nvrtc() {
  const Loaded& all = loaded();
  if (!all.availability.available) {
    fail(ErrorCode::device_unavailable, "GPU kernels cannot be compiled: {}",
         all.availability.reason);
  }
  return all.table;
}

void check_nvrtc(Result result, std::string_view doing) {
  if (result == kNvrtcSuccess) return;
  fail(ErrorCode::failed, "{}: {}", doing, nvrtc().error_string(result));
}

/// Owns one NVRTC program.
class Compilation {
 public:
  Compilation(const std::string& text, const std::string& name) {
    check_nvrtc(nvrtc().create(&program_, text.c_str(), name.c_str(), 0, nullptr, nullptr),
                "preparing a kernel");
  }
  Compilation(const Compilation&) = delete;
  Compilation& operator=(const Compilation&) = delete;
  ~Compilation() { nvrtc().destroy(&program_); }

  bool run(const std::vector<const char*>& options) {
    return nvrtc().compile(program_, static_cast<int>(options.size()), options.data()) ==
           kNvrtcSuccess;
  }
  [[nodiscard]] std::string log() const {
    size_t size = 0;
    check_nvrtc(nvrtc().log_size(program_, &size), "reading the compiler's words");
    std::string text(size, '\0');
    check_nvrtc(nvrtc().log(program_, text.data()), "reading the compiler's words");
    while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
    return text;
  }
  [[nodiscard]] Tensor cubin() const {
    size_t size = 0;
    check_nvrtc(nvrtc().cubin_size(program_, &size), "reading a kernel");
    Tensor bytes(DType::u8, {static_cast<int64_t>(size)});
    check_nvrtc(nvrtc().cubin(program_, reinterpret_cast<char*>(bytes.mutable_bytes().data())),
                "reading a kernel");
    return bytes;
  }

 private:
  Program program_ = nullptr;
};

int number_after(const std::string& log, const std::string& pattern) {
  std::smatch match;
  return std::regex_search(log, match, std::regex(pattern)) ? std::stoi(match[1]) : 0;
}

CompiledKernel described(Tensor cubin, std::string log) {
  CompiledKernel kernel{std::move(cubin), std::move(log), 0, 0};
  kernel.registers = number_after(kernel.log, R"(Used (\d+) registers)");
  kernel.spill_bytes = number_after(kernel.log, R"((\d+) bytes spill stores)") +
                       number_after(kernel.log, R"((\d+) bytes spill loads)");
  return kernel;
}

CompiledKernel compile(const std::string& text, const KernelSource& source,
                       const std::string& arch) {
  Compilation compilation(text, source.file);
  const std::string target = "--gpu-architecture=" + arch;
  std::vector<const char*> options{target.c_str(), "-std=c++17", "-default-device",
                                   "--ptxas-options=-v"};
  if (!source.precise) options.push_back("--use_fast_math");
  const bool compiled = compilation.run(options);
  std::string log = compilation.log();
  if (!compiled) fail(ErrorCode::failed, "kernel {} for {}: {}", source.file, arch, log);
  return described(compilation.cubin(), std::move(log));
}

std::string hex(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

std::filesystem::path cache_path(const std::string& text, const KernelSource& source,
                                 const std::string& arch) {
  const std::string key = fmt::format("{}\n{}\n{}{}", arch, loaded().availability.version,
                                      source.precise ? "precise\n" : "", text);
  return cache_folder() / "kernels" / (hex(hash128(std::as_bytes(std::span(key)))) + ".cubin");
}

std::optional<CompiledKernel> cached(const std::filesystem::path& path) {
  if (!file_exists(path)) return std::nullopt;
  try {
    const checkpoint::SafetensorsFile file = checkpoint::read_safetensors(path);
    const Tensor& cubin = file.tensors.at("cubin");
    if (file.metadata.at("hash") != hex(hash128(cubin.bytes()))) return std::nullopt;
    return described(cubin, file.metadata.at("log"));
  } catch (const std::exception& error) {
    log_debug("kernel cache: {} is unusable: {}", path.string(), error.what());
    return std::nullopt;
  }
}

/// A cache that cannot be written costs time, nothing else.
void keep(const std::filesystem::path& path, const CompiledKernel& kernel) {
  try {
    const std::array tensors{checkpoint::NamedTensor{"cubin", kernel.cubin}};
    checkpoint::write_safetensors(
        path, tensors, {{{"hash", hex(hash128(kernel.cubin.bytes()))}, {"log", kernel.log}}});
  } catch (const Error& error) {
    log_debug("kernel cache: {}", error.what());
  }
}

/// The name in a line `#include "NAME"`; empty for any other line.
std::string_view included_file(std::string_view line) {
  constexpr std::string_view kInclude = "#include \"";
  if (!line.starts_with(kInclude)) return {};
  line.remove_prefix(kInclude.size());
  return line.substr(0, line.find('"'));
}

/// Appends a text with what it includes, each file once.
void append_text(std::string_view file, std::string& text,
                 std::vector<std::string_view>& included) {
  if (std::ranges::find(included, file) != included.end()) return;
  included.push_back(file);
  std::string_view rest = kernel_text(file);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    if (const std::string_view name = included_file(line); !name.empty()) {
      append_text(name, text, included);
    } else {
      text += line;
    }
  }
}

}  // namespace

const CompilerAvailability& compiler() {
  return loaded().availability;
}

std::string full_text(const KernelSource& source) {
  std::string text;
  for (const auto& [name, value] : source.defines)
    text += fmt::format("#define {} {}\n", name, value);
  text += source.prelude;
  std::vector<std::string_view> included;
  append_text(source.file, text, included);
  return text;
}

CompiledKernel compile_kernel(const KernelSource& source, const std::string& arch) {
  const std::string text = full_text(source);
  const std::filesystem::path path = cache_path(text, source, arch);
  if (auto kernel = cached(path)) return std::move(*kernel);
  CompiledKernel kernel = compile(text, source, arch);
  keep(path, kernel);
  return kernel;
}

void compile_kernels(const std::vector<KernelSource>& sources, const std::string& arch) {
  parallel_for(std::ssize(sources), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      throw_if_interrupted();
      try {
        static_cast<void>(compile_kernel(sources[static_cast<size_t>(i)], arch));
      } catch (const Error& error) {
        if (error.code() != ErrorCode::failed) throw;
        log_debug("{}", error.what());
      }
    }
  });
}

std::string_view kernel_text(std::string_view file) {
  for (const KernelText& text : all_kernel_texts()) {
    if (text.file == file) return text.text;
  }
  check(false, "there is no kernel text '{}'", file);
  return {};
}

std::vector<std::string_view> kernel_texts() {
  std::vector<std::string_view> names;
  for (const KernelText& text : all_kernel_texts()) names.push_back(text.file);
  return names;
}

}  // namespace octet::cuda
