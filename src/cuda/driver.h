#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda/driver_types.h"
#include "tensor/tensor.h"

namespace octet::cuda {

/// The entry points of libcuda.so.1 that we use, found with dlopen. One table for the program.
struct DriverTable {
  CUresult (*init)(unsigned);
  CUresult (*driver_version)(int*);
  CUresult (*error_string)(CUresult, const char**);
  CUresult (*device_count)(int*);
  CUresult (*device_get)(CUdevice*, int);
  CUresult (*device_name)(char*, int, CUdevice);
  CUresult (*device_attribute)(int*, int, CUdevice);
  CUresult (*device_memory)(size_t*, CUdevice);
  CUresult (*primary_context_retain)(CUcontext*, CUdevice);
  CUresult (*context_set)(CUcontext);
  CUresult (*memory_info)(size_t*, size_t*);
  CUresult (*memory_alloc)(CUdeviceptr*, size_t);
  CUresult (*memory_free)(CUdeviceptr);
  CUresult (*host_alloc)(void**, size_t, unsigned);
  CUresult (*host_free)(void*);
  CUresult (*copy_to_device)(CUdeviceptr, const void*, size_t, CUstream);
  CUresult (*copy_to_host)(void*, CUdeviceptr, size_t, CUstream);
  CUresult (*fill_bytes)(CUdeviceptr, unsigned char, size_t, CUstream);
  CUresult (*stream_create)(CUstream*, unsigned);
  CUresult (*stream_destroy)(CUstream);
  CUresult (*stream_wait)(CUstream);
  CUresult (*capture_begin)(CUstream, int);
  CUresult (*capture_end)(CUstream, CUgraph*);
  CUresult (*graph_instantiate)(CUgraphExec*, CUgraph, unsigned long long);
  CUresult (*graph_launch)(CUgraphExec, CUstream);
  CUresult (*graph_destroy)(CUgraph);
  CUresult (*graph_exec_destroy)(CUgraphExec);
  CUresult (*event_create)(CUevent*, unsigned);
  CUresult (*event_destroy)(CUevent);
  CUresult (*event_record)(CUevent, CUstream);
  CUresult (*event_wait)(CUevent);
  CUresult (*event_elapsed)(float*, CUevent, CUevent);
  CUresult (*module_load)(CUmodule*, const void*);
  CUresult (*module_unload)(CUmodule);
  CUresult (*module_function)(CUfunction*, CUmodule, const char*);
  CUresult (*function_attribute)(int*, int, CUfunction);
  CUresult (*function_set_attribute)(CUfunction, int, int);
  CUresult (*launch)(const CUlaunchConfig*, CUfunction, void**, void**);
  CUresult (*tensor_map_tiled)(CUtensorMap*, int type, uint32_t rank, CUdeviceptr,
                               const uint64_t* extents, const uint64_t* strides,
                               const uint32_t* box, const uint32_t* element_strides, int interleave,
                               int swizzle, int promotion, int fill);
};

/// Whether libcuda and a device are here, and if not, why, in words.
struct Availability {
  bool available = false;
  std::string reason;      ///< empty when available
  int driver_version = 0;  ///< 13000 is 13.0; 0 without a driver
};
const Availability& availability();

/// The table; throws `Error(device_unavailable)` with the reason when there is no device.
const DriverTable& driver();

/// Throws `Error(failed)` "doing: the driver's words" unless `result` is success.
void check_cuda(CUresult result, std::string_view doing);

/// What kernels are specialised for.
struct DeviceProperties {
  std::string name;
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  int shared_bytes = 0;  ///< the most a block may have
  int l2_bytes = 0;
  size_t memory_bytes = 0;

  /// "sm_90a": the architecture with its own instructions where it has such.
  [[nodiscard]] std::string arch() const;
};

/// One GPU and its primary context. Lives as long as the program. Thread-safe.
class Device {
 public:
  /// Throws `Error(device_unavailable)`, naming what is there.
  static const Device& get(int index);

  [[nodiscard]] int index() const { return index_; }
  [[nodiscard]] const DeviceProperties& properties() const { return properties_; }
  /// Makes the context current in this thread; every call into the driver needs it.
  void make_current() const;

 private:
  explicit Device(int index);
  int index_;
  CUcontext context_ = nullptr;
  DeviceProperties properties_;
};

/// Device memory, aligned to 256 at least; freed with the last owner.
std::shared_ptr<std::byte> allocate_device(const Device& device, size_t bytes);
/// Host memory that copies need not stage.
std::shared_ptr<std::byte> allocate_pinned(const Device& device, size_t bytes);
/// The address of device memory as the driver takes it.
inline CUdeviceptr address_of(const void* data) {
  return reinterpret_cast<CUdeviceptr>(data);
}

/// Shape of one launch, in blocks and threads.
struct LaunchShape {
  unsigned grid = 1;
  unsigned block = 1;
  unsigned shared_bytes = 0;
  unsigned cluster = 1;
  unsigned grid_y = 1;
  /// May start while the kernel before it in the stream ends, where the device can (Hopper and
  /// later). Only for kernels that wait for that one themselves (wait_for_previous_kernel) before
  /// they touch what it reads or writes.
  bool programmatic = false;
};

/// One kernel of one loaded cubin; the module is unloaded with the last copy.
class Function {
 public:
  Function() = default;
  /// Loads `cubin` and finds `entry`. Throws `Error(bad_input)` when the driver refuses it.
  Function(const Device& device, const Tensor& cubin, const std::string& entry);

  [[nodiscard]] bool loaded() const { return function_ != nullptr; }
  /// `arguments` hold the addresses of the kernel's parameters. Only issues the launch.
  void launch(CUstream stream, const LaunchShape& shape, std::span<void*> arguments) const;

 private:
  std::shared_ptr<CUmod_st> module_;
  CUfunction function_ = nullptr;
  bool may_start_early_ = false;
};

/// The addresses of kernel parameters, in order: `function.launch(stream, shape, pack(a, b, c))`.
/// Borrows them for the call.
template <typename... Parameters>
std::array<void*, sizeof...(Parameters)> parameters(const Parameters&... values) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the driver only reads through them
  return {const_cast<void*>(static_cast<const void*>(&values))...};
}

/// A tiled tensor map. Extents and box innermost first; `strides` in bytes, one fewer than extents.
/// The innermost start and every stride are multiples of 16 bytes. Elements outside read as zero.
struct TensorMapShape {
  TensorMapType type = TensorMapType::u8;
  std::vector<uint64_t> extents;
  std::vector<uint64_t> strides;
  std::vector<uint32_t> box;
  TensorMapSwizzle swizzle = TensorMapSwizzle::b128;
  TensorMapPromotion promotion = TensorMapPromotion::b256;
};
CUtensorMap make_tensor_map(const void* data, const TensorMapShape& shape);

}  // namespace octet::cuda
