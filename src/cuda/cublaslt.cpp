#include "cuda/cublaslt.h"

#include <array>
#include <string_view>

#include "base/error.h"
#include "cuda/library.h"

namespace octet::cuda {
namespace {

// Our own declarations of what we use of cublasLt.h; values and layouts are the library's.
using Status = int;
using Handle = struct cublasLtContext_st*;
using Description = struct cublasLtMatmulDesc_st*;
using Layout = struct cublasLtMatrixLayout_st*;
using Preference = struct cublasLtMatmulPreference_st*;

constexpr int kCompute32F = 68;
constexpr int kType32F = 0;
constexpr int kType16F = 2;
constexpr int kType8E4M3 = 28;
constexpr int kTransposed = 1;
constexpr int kDescriptionTransposeA = 3;
constexpr int kDescriptionScaleA = 17;
constexpr int kDescriptionScaleB = 18;
constexpr int kDescriptionScaleD = 20;
constexpr int kDescriptionFastAccumulation = 25;
constexpr int kPreferenceWorkspace = 1;
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

struct Algorithm {
  std::array<uint64_t, 8> data;
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  Status state;
  float waves;
  std::array<int, 4> reserved;
};

struct Table {
  Status (*create)(Handle*);
  Status (*describe)(Description*, int compute, int scale);
  Status (*describe_attribute)(Description, int, const void*, size_t);
  Status (*description_destroy)(Description);
  Status (*layout)(Layout*, int type, uint64_t rows, uint64_t columns, int64_t leading);
  Status (*layout_destroy)(Layout);
  Status (*prefer)(Preference*);
  Status (*prefer_attribute)(Preference, int, const void*, size_t);
  Status (*preference_destroy)(Preference);
  Status (*choose)(Handle, Description, Layout, Layout, Layout, Layout, Preference, int, Heuristic*,
                   int*);
  Status (*multiply)(Handle, Description, const void* alpha, const void* a, Layout, const void* b,
                     Layout, const void* beta, const void* c, Layout, void* d, Layout,
                     const Algorithm*, void* workspace, size_t, CUstream);
};

struct Loaded {
  Table table{};
  CublasLtAvailability availability;
};

std::string load(Loaded& loaded) {
  Library library({"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so",
                   "/usr/local/cuda/lib64/libcublasLt.so"});
  if (!library.opened()) return "libcublasLt is not installed (it comes with the CUDA toolkit)";
  Table& table = loaded.table;
  library.find("cublasLtCreate", table.create);
  library.find("cublasLtMatmulDescCreate", table.describe);
  library.find("cublasLtMatmulDescSetAttribute", table.describe_attribute);
  library.find("cublasLtMatmulDescDestroy", table.description_destroy);
  library.find("cublasLtMatrixLayoutCreate", table.layout);
  library.find("cublasLtMatrixLayoutDestroy", table.layout_destroy);
  library.find("cublasLtMatmulPreferenceCreate", table.prefer);
  library.find("cublasLtMatmulPreferenceSetAttribute", table.prefer_attribute);
  library.find("cublasLtMatmulPreferenceDestroy", table.preference_destroy);
  library.find("cublasLtMatmulAlgoGetHeuristic", table.choose);
  library.find("cublasLtMatmul", table.multiply);
  if (library.missing().empty()) return {};
  return fmt::format("libcublasLt is too old: it has no {}", library.missing());
}

const Loaded& loaded() {
  static const Loaded once = loaded_by(load);
  return once;
}

const Table& table() {
  if (!loaded().availability.available) {
    fail(ErrorCode::device_unavailable, "cuBLASLt cannot be used: {}",
         loaded().availability.reason);
  }
  return loaded().table;
}

void check_status(Status status, std::string_view doing) {
  if (status != 0) fail(ErrorCode::failed, "cuBLASLt: {}: error {}", doing, status);
}

int type_of(DType dtype) {
  return dtype == DType::f8e4m3 ? kType8E4M3 : kType16F;
}

/// One handle for the program; the library's own state is thread-safe.
Handle handle() {
  static const Handle once = [] {
    Handle result = nullptr;
    check_status(table().create(&result), "starting");
    return result;
  }();
  return once;
}

}  // namespace

const CublasLtAvailability& cublaslt() {
  return loaded().availability;
}

// In the library's column-major words: D^T [n, m] = W^T of [k, n] transposed, times A^T [k, m].
struct CublasLtProduct::Plan {
  Description description = nullptr;
  Layout weight = nullptr;
  Layout a = nullptr;
  Layout c = nullptr;  ///< what would be added: f16, also beside results of e4m3
  Layout d = nullptr;
  Heuristic heuristic{};
  std::shared_ptr<std::byte> workspace;
  std::shared_ptr<std::byte> one;  ///< the scale 1, in device memory

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    if (d != nullptr) table().layout_destroy(d);
    if (c != nullptr) table().layout_destroy(c);
    if (a != nullptr) table().layout_destroy(a);
    if (weight != nullptr) table().layout_destroy(weight);
    if (description != nullptr) table().description_destroy(description);
  }

  template <typename T>
  void set(int attribute, const T& value) {
    check_status(table().describe_attribute(description, attribute, &value, sizeof(value)),
                 "describing a product");
  }
  void describe(const Device& device, DType operands, DType out) {
    check_status(table().describe(&description, kCompute32F, kType32F), "describing a product");
    set(kDescriptionTransposeA, int32_t{kTransposed});
    if (operands != DType::f8e4m3) return;
    set(kDescriptionFastAccumulation, int8_t{1});
    constexpr float kOne = 1;
    one = allocate_device(device, sizeof(kOne));
    check_cuda(driver().copy_to_device(address_of(one.get()), &kOne, sizeof(kOne), nullptr),
               "copying a scale");
    check_cuda(driver().stream_wait(nullptr), "copying a scale");
    const void* scale = one.get();
    set(kDescriptionScaleA, scale);
    set(kDescriptionScaleB, scale);
    if (out == DType::f8e4m3) set(kDescriptionScaleD, scale);
  }
  void choose() {
    Preference preference = nullptr;
    check_status(table().prefer(&preference), "choosing a kernel");
    const auto free = [](Preference p) { table().preference_destroy(p); };
    const std::unique_ptr<cublasLtMatmulPreference_st, decltype(free)> owner(preference, free);
    const size_t bytes = kWorkspaceBytes;
    check_status(table().prefer_attribute(preference, kPreferenceWorkspace, &bytes, sizeof(bytes)),
                 "choosing a kernel");
    int count = 0;
    check_status(
        table().choose(handle(), description, weight, a, c, d, preference, 1, &heuristic, &count),
        "choosing a kernel");
    if (count == 0) fail(ErrorCode::failed, "cuBLASLt has no kernel for the product");
  }
};

CublasLtProduct::CublasLtProduct(const Device& device, DType operands, DType out, int64_t rows,
                                 int64_t n, int64_t k) {
  device.make_current();
  auto plan = std::make_shared<Plan>();
  plan->describe(device, operands, out);
  const auto extent = [](int64_t value) { return static_cast<uint64_t>(value); };
  check_status(table().layout(&plan->weight, type_of(operands), extent(k), extent(n), k),
               "describing a matrix");
  check_status(table().layout(&plan->a, type_of(operands), extent(k), extent(rows), k),
               "describing a matrix");
  check_status(table().layout(&plan->d, type_of(out), extent(n), extent(rows), n),
               "describing a matrix");
  check_status(table().layout(&plan->c, kType16F, extent(n), extent(rows), n),
               "describing a matrix");
  plan->choose();
  plan->workspace = allocate_device(device, kWorkspaceBytes);
  plan_ = std::move(plan);
}

void CublasLtProduct::launch(CUstream stream, const void* a, const void* weight, void* d) const {
  constexpr float kAlpha = 1;
  constexpr float kBeta = 0;
  check_status(
      table().multiply(handle(), plan_->description, &kAlpha, weight, plan_->weight, a, plan_->a,
                       &kBeta, nullptr, plan_->c, d, plan_->d, &plan_->heuristic.algorithm,
                       plan_->workspace.get(), kWorkspaceBytes, stream),
      "multiplying");
}

}  // namespace octet::cuda
