#include "cuda/driver.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/error.h"
#include "base/knob.h"
#include "cuda/library.h"

namespace octet::cuda {
namespace {

/// A table whose entries are all there, or the reason why not.
struct Loaded {
  DriverTable table{};
  Availability availability;
  int devices = 0;
};

void find_all(Library& library, DriverTable& table) {
  library.find("cuInit", table.init);
  library.find("cuDriverGetVersion", table.driver_version);
  library.find("cuGetErrorString", table.error_string);
  library.find("cuDeviceGetCount", table.device_count);
  library.find("cuDeviceGet", table.device_get);
  library.find("cuDeviceGetName", table.device_name);
  library.find("cuDeviceGetAttribute", table.device_attribute);
  library.find("cuDeviceTotalMem_v2", table.device_memory);
  library.find("cuDevicePrimaryCtxRetain", table.primary_context_retain);
  library.find("cuCtxSetCurrent", table.context_set);
  library.find("cuMemGetInfo_v2", table.memory_info);
  library.find("cuMemAlloc_v2", table.memory_alloc);
  library.find("cuMemFree_v2", table.memory_free);
  library.find("cuMemHostAlloc", table.host_alloc);
  library.find("cuMemFreeHost", table.host_free);
  library.find("cuMemcpyHtoDAsync_v2", table.copy_to_device);
  library.find("cuMemcpyDtoHAsync_v2", table.copy_to_host);
  library.find("cuMemsetD8Async", table.fill_bytes);
  library.find("cuStreamCreate", table.stream_create);
  library.find("cuStreamDestroy_v2", table.stream_destroy);
  library.find("cuStreamSynchronize", table.stream_wait);
  library.find("cuStreamBeginCapture_v2", table.capture_begin);
  library.find("cuStreamEndCapture", table.capture_end);
  library.find("cuGraphInstantiateWithFlags", table.graph_instantiate);
  library.find("cuGraphLaunch", table.graph_launch);
  library.find("cuGraphDestroy", table.graph_destroy);
  library.find("cuGraphExecDestroy", table.graph_exec_destroy);
  library.find("cuEventCreate", table.event_create);
  library.find("cuEventDestroy_v2", table.event_destroy);
  library.find("cuEventRecord", table.event_record);
  library.find("cuEventSynchronize", table.event_wait);
  library.find("cuEventElapsedTime", table.event_elapsed);
  library.find("cuModuleLoadData", table.module_load);
  library.find("cuModuleUnload", table.module_unload);
  library.find("cuModuleGetFunction", table.module_function);
  library.find("cuFuncGetAttribute", table.function_attribute);
  library.find("cuFuncSetAttribute", table.function_set_attribute);
  library.find("cuLaunchKernelEx", table.launch);
  library.find("cuTensorMapEncodeTiled", table.tensor_map_tiled);
}

std::string words_of(const DriverTable& table, CUresult result) {
  const char* words = nullptr;
  if (table.error_string(result, &words) != kCudaSuccess || words == nullptr) {
    return fmt::format("error {}", result);
  }
  return words;
}

std::string load(Loaded& loaded) {
  const std::string name = knob("OCTET_CUDA_DRIVER");
  Library library({name});
  if (!library.opened()) return fmt::format("{} is not installed", name);
  find_all(library, loaded.table);
  if (!library.missing().empty()) {
    return fmt::format("the NVIDIA driver is too old: it has no {}", library.missing());
  }
  static_cast<void>(loaded.table.driver_version(&loaded.availability.driver_version));
  if (const CUresult result = loaded.table.init(0); result != kCudaSuccess) {
    return fmt::format("the NVIDIA driver cannot start: {}", words_of(loaded.table, result));
  }
  if (loaded.table.device_count(&loaded.devices) != kCudaSuccess || loaded.devices == 0) {
    return "the NVIDIA driver sees no GPU";
  }
  return {};
}

const Loaded& loaded() {
  static const Loaded once = loaded_by(load);
  return once;
}

int attribute(CUdevice device, int which) {
  int value = 0;
  check_cuda(driver().device_attribute(&value, which, device), "asking the device");
  return value;
}

}  // namespace

const Availability& availability() {
  return loaded().availability;
}

const DriverTable& driver() {
  const Loaded& all = loaded();
  if (!all.availability.available) {
    fail(ErrorCode::device_unavailable, "there is no CUDA device: {}; use --backend cpu",
         all.availability.reason);
  }
  return all.table;
}

void check_cuda(CUresult result, std::string_view doing) {
  if (result == kCudaSuccess) return;
  fail(ErrorCode::failed, "{}: {}", doing, words_of(loaded().table, result));
}

std::string DeviceProperties::arch() const {
  // From 9.0 on, the instructions that pay are in the variant for this architecture alone.
  return fmt::format("sm_{}{}{}", major, minor, major >= 9 ? "a" : "");
}

Device::Device(int index) : index_(index) {
  const DriverTable& api = driver();
  if (index < 0 || index >= loaded().devices) {
    fail(ErrorCode::device_unavailable, "there is no CUDA device {}; this machine has {}", index,
         loaded().devices);
  }
  CUdevice device = 0;
  check_cuda(api.device_get(&device, index), "opening the device");
  std::array<char, 128> name{};
  check_cuda(api.device_name(name.data(), name.size(), device), "asking the device");
  check_cuda(api.device_memory(&properties_.memory_bytes, device), "asking the device");
  properties_.name = name.data();
  properties_.major = attribute(device, kAttributeMajor);
  properties_.minor = attribute(device, kAttributeMinor);
  properties_.multiprocessors = attribute(device, kAttributeMultiprocessors);
  properties_.shared_bytes = attribute(device, kAttributeSharedBytesOptIn);
  properties_.l2_bytes = attribute(device, kAttributeL2Bytes);
  check_cuda(api.primary_context_retain(&context_, device), "opening the device");
}

const Device& Device::get(int index) {
  static std::mutex mutex;
  static std::vector<std::unique_ptr<const Device>> devices;
  const std::lock_guard lock(mutex);
  for (const auto& device : devices) {
    if (device->index() == index) return *device;
  }
  devices.push_back(std::unique_ptr<const Device>(new Device(index)));
  return *devices.back();
}

void Device::make_current() const {
  check_cuda(driver().context_set(context_), "switching to the device");
}

std::shared_ptr<std::byte> allocate_device(const Device& device, size_t bytes) {
  device.make_current();
  CUdeviceptr address = 0;
  check_cuda(
      driver().memory_alloc(&address, std::max<size_t>(bytes, 1)),
      fmt::format("allocating {:.1f} MiB on the device", static_cast<double>(bytes) / 1048576));
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the driver gives addresses as numbers
  return {reinterpret_cast<std::byte*>(address), [&device](std::byte* data) {
            device.make_current();
            static_cast<void>(driver().memory_free(address_of(data)));
          }};
}

std::shared_ptr<std::byte> allocate_pinned(const Device& device, size_t bytes) {
  device.make_current();
  void* address = nullptr;
  check_cuda(driver().host_alloc(&address, std::max<size_t>(bytes, 1), 0),
             "allocating page-locked memory");
  return {static_cast<std::byte*>(address), [&device](std::byte* data) {
            device.make_current();
            static_cast<void>(driver().host_free(data));
          }};
}

Function::Function(const Device& device, const Tensor& cubin, const std::string& entry)
    : may_start_early_(device.properties().major >= 9) {
  device.make_current();
  CUmodule module = nullptr;
  if (const CUresult result = driver().module_load(&module, cubin.bytes().data());
      result != kCudaSuccess) {
    fail_input("the kernel '{}' does not run on {} ({}): {}; build the plan again", entry,
               device.properties().name, device.properties().arch(), words_of(driver(), result));
  }
  module_ = std::shared_ptr<CUmod_st>(module, [&device](CUmodule loaded_module) {
    device.make_current();
    static_cast<void>(driver().module_unload(loaded_module));
  });
  check_cuda(driver().module_function(&function_, module, entry.c_str()),
             fmt::format("finding the kernel '{}'", entry));
  int fixed_bytes = 0;  // what the text itself declares counts too
  check_cuda(driver().function_attribute(&fixed_bytes, kFunctionSharedBytes, function_),
             fmt::format("asking for the shared memory of '{}'", entry));
  check_cuda(driver().function_set_attribute(function_, kFunctionMaxDynamicShared,
                                             device.properties().shared_bytes - fixed_bytes),
             fmt::format("giving '{}' its shared memory", entry));
}

void Function::launch(CUstream stream, const LaunchShape& shape, std::span<void*> arguments) const {
  std::array<CUlaunchAttribute, 2> attributes{};
  unsigned count = 0;
  if (shape.cluster > 1) {
    attributes[count].id = kLaunchClusterDimension;
    attributes[count++].value.cluster = {shape.cluster, 1, 1};
  }
  if (shape.programmatic && may_start_early_) {
    attributes[count].id = kLaunchProgrammaticSerialization;
    attributes[count++].value.flag = 1;
  }
  const CUlaunchConfig config{{shape.grid, shape.grid_y, 1},
                              {shape.block, 1, 1},
                              shape.shared_bytes,
                              stream,
                              attributes.data(),
                              count};
  check_cuda(driver().launch(&config, function_, arguments.data(), nullptr), "launching a kernel");
}

CUtensorMap make_tensor_map(const void* data, const TensorMapShape& shape) {
  const size_t rank = shape.extents.size();
  check(rank >= 1 && rank <= 5 && shape.strides.size() + 1 == rank && shape.box.size() == rank,
        "a tensor map of rank {}", rank);
  constexpr std::array<uint32_t, 5> kDense{1, 1, 1, 1, 1};
  CUtensorMap map{};
  check_cuda(driver().tensor_map_tiled(
                 &map, static_cast<int>(shape.type), static_cast<uint32_t>(rank), address_of(data),
                 shape.extents.data(), shape.strides.data(), shape.box.data(), kDense.data(), 0,
                 static_cast<int>(shape.swizzle), static_cast<int>(shape.promotion), 0),
             "describing a tensor to the copy engine");
  return map;
}

}  // namespace octet::cuda
