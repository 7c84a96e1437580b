#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// Our own declarations of what we use of NVIDIA's driver interface (libcuda.so.1), so that neither
// headers nor libraries of CUDA are needed to build. Names and values are the driver's; its binary
// interface is stable. tests/cuda compares them with cuda.h where the toolkit is installed.
namespace octet::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = uint64_t;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphExec = struct CUgraphExec_st*;

inline constexpr CUresult kCudaSuccess = 0;

// CUdevice_attribute
inline constexpr int kAttributeMultiprocessors = 16;
inline constexpr int kAttributeL2Bytes = 38;
inline constexpr int kAttributeMajor = 75;
inline constexpr int kAttributeMinor = 76;
inline constexpr int kAttributeSharedBytesOptIn = 97;

// CUfunction_attribute
inline constexpr int kFunctionSharedBytes = 1;
inline constexpr int kFunctionLocalBytes = 3;
inline constexpr int kFunctionRegisters = 4;
inline constexpr int kFunctionMaxDynamicShared = 8;

// CUstream_flags, CUstreamCaptureMode
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr int kCaptureThreadLocal = 1;

// CUlaunchAttributeID
inline constexpr int kLaunchClusterDimension = 4;
inline constexpr int kLaunchProgrammaticSerialization = 6;

struct CUlaunchAttribute {
  int id;
  std::array<char, 4> pad;
  union {
    std::array<char, 64> bytes;
    std::array<unsigned, 3> cluster;
    int flag;
  } value;
};

struct CUlaunchConfig {
  std::array<unsigned, 3> grid;
  std::array<unsigned, 3> block;
  unsigned shared_bytes;
  CUstream stream;
  CUlaunchAttribute* attributes;
  unsigned attribute_count;
};

/// Describes a tensor to the copy engine; opaque, made by cuTensorMapEncodeTiled, passed to kernels
/// by value.
struct alignas(64) CUtensorMap {
  std::array<uint64_t, 16> opaque;
};

// CUtensorMapDataType, CUtensorMapSwizzle, CUtensorMapL2promotion
enum class TensorMapType : int { u8 = 0, u16 = 1, f16 = 6 };
enum class TensorMapSwizzle : int { none = 0, b32 = 1, b64 = 2, b128 = 3 };
enum class TensorMapPromotion : int { none = 0, b64 = 1, b128 = 2, b256 = 3 };

}  // namespace octet::cuda
