#include "cuda/driver.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "base/error.h"
#include "base/knob.h"

namespace octet::cuda {
namespace {

/// A table whose entries are all there, or the reason why not.
struct Loaded {
  DriverTable table{};
  Availability availability;
  int devices = 0;
};

template <typename Entry>
void find(void* library, const char* name, Entry& entry, std::string& missing) {
  entry = reinterpret_cast<Entry>(dlsym(library, name));
  if (entry == nullptr && missing.empty()) missing = name;
}

std::string find_all(void* library, DriverTable& table) {
  std::string missing;
  const auto get = [&](const char* name, auto& entry) { find(library, name, entry, missing); };
  get("cuInit", table.init);
  get("cuDriverGetVersion", table.driver_version);
  get("cuGetErrorString", table.error_string);
  get("cuDeviceGetCount", table.device_count);
  get("cuDeviceGet", table.device_get);
  get("cuDeviceGetName", table.device_name);
  get("cuDeviceGetAttribute", table.device_attribute);
  get("cuDeviceTotalMem_v2", table.device_memory);
  get("cuDevicePrimaryCtxRetain", table.primary_context_retain);
  get("cuCtxSetCurrent", table.context_set);
  get("cuMemGetInfo_v2", table.memory_info);
  get("cuMemAlloc_v2", table.memory_alloc);
  get("cuMemFree_v2", table.memory_free);
  get("cuMemHostAlloc", table.host_alloc);
  get("cuMemFreeHost", table.host_free);
  get("cuMemcpyHtoDAsync_v2", table.copy_to_device);
  get("cuMemcpyDtoHAsync_v2", table.copy_to_host);
  get("cuMemsetD8Async", table.fill_bytes);
  get("cuStreamCreate", table.stream_create);
  get("cuStreamDestroy_v2", table.stream_destroy);
  get("cuStreamSynchronize", table.stream_wait);
  get("cuStreamBeginCapture_v2", table.capture_begin);
  get("cuStreamEndCapture", table.capture_end);
  get("cuGraphInstantiateWithFlags", table.graph_instantiate);
  get("cuGraphLaunch", table.graph_launch);
  get("cuGraphDestroy", table.graph_destroy);
  get("cuGraphExecDestroy", table.graph_exec_destroy);
  get("cuEventCreate", table.event_create);
  get("cuEventDestroy_v2", table.event_destroy);
  get("cuEventRecord", table.event_record);
  get("cuEventSynchronize", table.event_wait);
  get("cuEventElapsedTime", table.event_elapsed);
  get("cuModuleLoadData", table.module_load);
  get("cuModuleUnload", table.module_unload);
  get("cuModuleGetFunction", table.module_function);
  get("cuFuncGetAttribute", table.function_attribute);
  get("cuFuncSetAttribute", table.function_set_attribute);
  get("cuLaunchKernelEx", table.launch);
  get("cuTensorMapEncodeTiled", table.tensor_map_tiled);
  return missing;
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
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fmt::format("{} is not installed", name);
  if (const std::string missing = find_all(library, loaded.table); !missing.empty()) {
    return fmt::format("the NVIDIA driver is too old: it has no {}", missing);
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
  static const Loaded once = [] {
    Loaded result;
    result.availability.reason = load(result);
    result.availability.available = result.availability.reason.empty();
    return result;
  }();
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

Function::Function(const Device& device, const Tensor& cubin, const std::string& entry) {
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
  if (shape.programmatic) {
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
