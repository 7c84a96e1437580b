// What every generic kernel starts from: its parameters, and elements of any dtype.
//   INDEX    type of offsets
//   OPERANDS, SYMBOLS  how many addresses and sizes of symbols the kernel is given
#include "common.cuh"

typedef INDEX Index;

struct Operands {
  void* at[OPERANDS];
};
struct Sizes {
  int64_t at[SYMBOLS];
};
struct boolean {
  uint8_t value;
};

#define ELEMENT(type, operand, offset) (((const type*)operands.at[operand])[offset])

// Numbers are computed in float, integers and truth values in 64 bits.
__device__ __forceinline__ float wide(float x) { return x; }
__device__ __forceinline__ float wide(f16 x) { return to_float(x); }
__device__ __forceinline__ float wide(bf16 x) { return to_float(x); }
__device__ __forceinline__ float wide(e4m3 x) { return to_float(x); }
__device__ __forceinline__ int64_t wide(int64_t x) { return x; }
__device__ __forceinline__ int64_t wide(int32_t x) { return x; }
__device__ __forceinline__ int64_t wide(boolean x) { return x.value; }

template <typename T>
__device__ __forceinline__ void store_wide(float x, T& y) {
  from_float(x, y);
}
// Towards zero; what does not fit becomes the nearest integer that does, NaN becomes 0.
__device__ __forceinline__ void store_wide(float x, int64_t& y) {
  y = x != x ? 0 : __float2ll_rz(x);
}
__device__ __forceinline__ void store_wide(float x, int32_t& y) { y = __float2int_rz(x); }
__device__ __forceinline__ void store_wide(float x, boolean& y) { y.value = x != 0; }
template <typename T>
__device__ __forceinline__ void store_wide(int64_t x, T& y) {
  from_float((float)x, y);
}
__device__ __forceinline__ void store_wide(int64_t x, int64_t& y) { y = x; }
__device__ __forceinline__ void store_wide(int64_t x, int32_t& y) { y = (int32_t)x; }
__device__ __forceinline__ void store_wide(int64_t x, boolean& y) { y.value = x != 0; }

// A result, rounded once.
template <typename T, typename Wide>
__device__ __forceinline__ T narrow(Wide x) {
  T y;
  store_wide(x, y);
  return y;
}

// The value that FP16 holds for it.
__device__ __forceinline__ float round_f16(float x) { return to_float(narrow<f16>(x)); }

// An index into an axis, a negative one counted from its end; -1 when it is outside.
__device__ __forceinline__ Index place_of(int64_t index, Index extent) {
  if (index < 0) index += extent;
  return index < 0 || index >= extent ? -1 : (Index)index;
}

// The bits of what has no value: NaN in every floating format, -1 in integers.
template <typename T>
__device__ __forceinline__ T no_value() {
  return (T)~(T)0;
}
template <>
__device__ __forceinline__ uint4 no_value<uint4>() {
  return make_uint4(~0u, ~0u, ~0u, ~0u);
}
