// What every kernel text starts from. Header-free: NVRTC compiles it with nothing installed.
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef int int32_t;
typedef unsigned long long uint64_t;
typedef long long int64_t;

// Storage types, named by their bits; arithmetic is done in float.
struct f16 {
  uint16_t bits;
};
struct bf16 {
  uint16_t bits;
};
struct e4m3 {
  uint8_t bits;
};

__device__ __forceinline__ int lane_id() {
  return threadIdx.x & 31;
}

// Returns when the kernel before this one in the stream is done and its results can be seen. Only
// needed where this one may start early (LaunchShape::programmatic), which begins with Hopper.
__device__ __forceinline__ void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel start (LaunchShape::programmatic) once every block has said so or ended.
__device__ __forceinline__ void start_next_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, offset));
  return x;
}

// Two values at a time: what the conversion instructions take. The first is the low half.
__device__ __forceinline__ uint32_t pack_f16x2(float a, float b) {
  uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %2, %1;" : "=r"(r) : "f"(a), "f"(b));
  return r;
}
__device__ __forceinline__ float2 unpack_f16x2(uint32_t bits) {
  float2 r;
  asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h;}"
      : "=f"(r.x), "=f"(r.y)
      : "r"(bits));
  return r;
}
// Saturates at +-448, rounds to nearest even; NaN stays NaN.
__device__ __forceinline__ uint32_t pack_e4m3x4(float a, float b, float c, float d) {
  uint32_t r;
  asm("{.reg .b16 l, h; cvt.rn.satfinite.e4m3x2.f32 l, %2, %1;"
      " cvt.rn.satfinite.e4m3x2.f32 h, %4, %3; mov.b32 %0, {l, h};}"
      : "=r"(r)
      : "f"(a), "f"(b), "f"(c), "f"(d));
  return r;
}
// FP16 holds every E4M3 value.
__device__ __forceinline__ uint2 e4m3x4_to_f16x4(uint32_t bits) {
  uint2 r;
  asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.rn.f16x2.e4m3x2 %0, l; cvt.rn.f16x2.e4m3x2 %1, h;}"
      : "=r"(r.x), "=r"(r.y)
      : "r"(bits));
  return r;
}
__device__ __forceinline__ float4 unpack_e4m3x4(uint32_t bits) {
  const uint2 pairs = e4m3x4_to_f16x4(bits);
  const float2 a = unpack_f16x2(pairs.x), b = unpack_f16x2(pairs.y);
  return make_float4(a.x, a.y, b.x, b.y);
}

__device__ __forceinline__ float to_float(float x) {
  return x;
}
__device__ __forceinline__ float to_float(f16 x) {
  return unpack_f16x2(x.bits).x;
}
__device__ __forceinline__ float to_float(bf16 x) {
  return __uint_as_float((uint32_t)x.bits << 16);
}
__device__ __forceinline__ float to_float(e4m3 x) {
  return unpack_e4m3x4(x.bits).x;
}
__device__ __forceinline__ void from_float(float x, float& y) {
  y = x;
}
__device__ __forceinline__ void from_float(float x, f16& y) {
  y.bits = (uint16_t)pack_f16x2(x, 0.f);
}
__device__ __forceinline__ void from_float(float x, bf16& y) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %2, %1;" : "=r"(r) : "f"(x), "f"(0.f));
  y.bits = (uint16_t)r;
}
__device__ __forceinline__ void from_float(float x, e4m3& y) {
  y.bits = (uint8_t)pack_e4m3x4(x, 0.f, 0.f, 0.f);
}

// Eight values at a time, aligned to their size.
__device__ __forceinline__ void load8(const float* p, float (&v)[8]) {
  const float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
__device__ __forceinline__ void load8(const f16* p, float (&v)[8]) {
  const uint4 q = *(const uint4*)p;
  const float2 a = unpack_f16x2(q.x), b = unpack_f16x2(q.y), c = unpack_f16x2(q.z),
               d = unpack_f16x2(q.w);
  v[0] = a.x, v[1] = a.y, v[2] = b.x, v[3] = b.y, v[4] = c.x, v[5] = c.y, v[6] = d.x, v[7] = d.y;
}
__device__ __forceinline__ void load8(const e4m3* p, float (&v)[8]) {
  const uint2 q = *(const uint2*)p;
  const float4 a = unpack_e4m3x4(q.x), b = unpack_e4m3x4(q.y);
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
__device__ __forceinline__ void store8(float* p, const float (&v)[8]) {
  ((float4*)p)[0] = make_float4(v[0], v[1], v[2], v[3]);
  ((float4*)p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ __forceinline__ void store8(f16* p, const float (&v)[8]) {
  *(uint4*)p = make_uint4(pack_f16x2(v[0], v[1]), pack_f16x2(v[2], v[3]), pack_f16x2(v[4], v[5]),
                          pack_f16x2(v[6], v[7]));
}
__device__ __forceinline__ void store8(e4m3* p, const float (&v)[8]) {
  *(uint2*)p = make_uint2(pack_e4m3x4(v[0], v[1], v[2], v[3]), pack_e4m3x4(v[4], v[5], v[6], v[7]));
}
