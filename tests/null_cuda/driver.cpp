// A stand-in for NVIDIA's driver: it has one device, whose memory is the host's, and its kernels do
// nothing. The whole host side of the CUDA backend runs on it without a GPU; what would make the
// real driver refuse a launch or a tensor map makes this one refuse it too.
#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0;
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr unsigned kSharedBytes = 232448;  // a block of Hopper
constexpr unsigned kThreads = 1024;
constexpr int kSharedAttribute = 1;         // CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
constexpr int kDynamicSharedAttribute = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

/// One loaded cubin, and its only kernel.
struct Module {
  int shared_bytes;
};

/// Shared memory that the kernel itself declares: the sections .nv.shared.NAME of the ELF file.
int declared_shared_bytes(const char* image) {
  const auto* file = reinterpret_cast<const Elf64_Ehdr*>(image);
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(image + file->e_shoff);
  const char* names = image + sections[file->e_shstrndx].sh_offset;
  int bytes = 0;
  for (int i = 0; i < file->e_shnum; ++i) {
    const bool shared = std::strncmp(names + sections[i].sh_name, ".nv.shared.", 11) == 0;
    if (shared) bytes += static_cast<int>(sections[i].sh_size);
  }
  return bytes;
}

int shared_bytes_of(void* function) {
  return static_cast<Module*>(function)->shared_bytes;
}

void* some_handle() {
  return std::malloc(1);
}

struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
};

int attribute(int which) {
  switch (which) {
    case 16:
      return 132;  // multiprocessors
    case 38:
      return 50 << 20;  // bytes of second-level cache
    case 75:
      return 9;  // compute capability, major
    case 97:
      return static_cast<int>(kSharedBytes);
    default:
      return 0;
  }
}

}  // namespace

// NOLINTBEGIN: the driver's own names, signatures and addresses
extern "C" {
int cuInit(unsigned) {
  return kSuccess;
}
int cuDriverGetVersion(int* version) {
  return *version = 13000, kSuccess;
}
int cuGetErrorString(int, const char** words) {
  return *words = "invalid argument", kSuccess;
}
int cuDeviceGetCount(int* count) {
  return *count = 1, kSuccess;
}
int cuDeviceGet(int* device, int index) {
  return *device = index, kSuccess;
}
int cuDeviceGetName(char* name, int size, int) {
  std::strncpy(name, "no GPU at all", static_cast<size_t>(size));
  return kSuccess;
}
int cuDeviceGetAttribute(int* value, int which, int) {
  return *value = attribute(which), kSuccess;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  return *bytes = size_t{80} << 30, kSuccess;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  static char primary;  // the device's own, like the real one: nobody frees it
  return *context = &primary, kSuccess;
}
int cuCtxSetCurrent(void*) {
  return kSuccess;
}
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  return *free = *total = size_t{80} << 30, kSuccess;
}
int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  *address = reinterpret_cast<uint64_t>(memory);
  return memory == nullptr ? kOutOfMemory : kSuccess;
}
int cuMemFree_v2(uint64_t address) {
  return std::free(reinterpret_cast<void*>(address)), kSuccess;
}
int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  *memory = std::calloc(bytes, 1);
  return *memory == nullptr ? kOutOfMemory : kSuccess;
}
int cuMemFreeHost(void* memory) {
  return std::free(memory), kSuccess;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) {
  return std::memcpy(reinterpret_cast<void*>(to), from, bytes), kSuccess;
}
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) {
  return std::memcpy(to, reinterpret_cast<const void*>(from), bytes), kSuccess;
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void*) {
  return std::memset(reinterpret_cast<void*>(to), value, bytes), kSuccess;
}
int cuStreamCreate(void** stream, unsigned) {
  return *stream = some_handle(), kSuccess;
}
int cuStreamDestroy_v2(void* stream) {
  return std::free(stream), kSuccess;
}
int cuStreamSynchronize(void*) {
  return kSuccess;
}
int cuStreamBeginCapture_v2(void*, int) {
  return kSuccess;
}
int cuStreamEndCapture(void*, void** graph) {
  return *graph = some_handle(), kSuccess;
}
int cuGraphInstantiateWithFlags(void** executable, void*, unsigned long long) {
  return *executable = some_handle(), kSuccess;
}
int cuGraphLaunch(void*, void*) {
  return kSuccess;
}
int cuGraphDestroy(void* graph) {
  return std::free(graph), kSuccess;
}
int cuGraphExecDestroy(void* executable) {
  return std::free(executable), kSuccess;
}
int cuEventCreate(void** event, unsigned) {
  return *event = some_handle(), kSuccess;
}
int cuEventDestroy_v2(void* event) {
  return std::free(event), kSuccess;
}
int cuEventRecord(void*, void*) {
  return kSuccess;
}
int cuEventSynchronize(void*) {
  return kSuccess;
}
int cuEventElapsedTime(float* milliseconds, void*, void*) {
  return *milliseconds = 0.5F, kSuccess;
}
int cuModuleLoadData(void** module, const void* image) {
  return *module = new Module{declared_shared_bytes(static_cast<const char*>(image))}, kSuccess;
}
int cuModuleUnload(void* module) {
  return delete static_cast<Module*>(module), kSuccess;
}
int cuModuleGetFunction(void** function, void* module, const char*) {
  return *function = module, kSuccess;
}
int cuFuncGetAttribute(int* value, int which, void* function) {
  return *value = which == kSharedAttribute ? shared_bytes_of(function) : 0, kSuccess;
}
int cuFuncSetAttribute(void* function, int which, int value) {
  const bool fits = value + shared_bytes_of(function) <= static_cast<int>(kSharedBytes);
  return which != kDynamicSharedAttribute || fits ? kSuccess : kInvalidValue;
}
int cuOccupancyMaxActiveClusters(int* clusters, void*, const void*) {
  return *clusters = 64, kSuccess;
}
int cuLaunchKernelEx(const LaunchConfig* config, void*, void**, void**) {
  const bool possible = config->grid[0] > 0 && config->grid[1] > 0 && config->block[0] > 0 &&
                        config->block[0] <= kThreads && config->shared_bytes <= kSharedBytes;
  return possible ? kSuccess : kInvalidValue;
}
int cuTensorMapEncodeTiled(void*, int, unsigned rank, uint64_t address, const uint64_t* extents,
                           const uint64_t* strides, const uint32_t* box, const uint32_t*, int, int,
                           int, int) {
  bool possible = rank >= 1 && rank <= 5 && address % 16 == 0;
  for (unsigned i = 0; i < rank; ++i) {
    possible = possible && extents[i] > 0 && box[i] > 0 && box[i] <= 256;
    possible = possible && (i + 1 == rank || strides[i] % 16 == 0);
  }
  return possible ? kSuccess : kInvalidValue;
}
}
// NOLINTEND
