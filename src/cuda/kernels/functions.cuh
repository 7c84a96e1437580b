// Functions of one number, as exact as float allows.
__device__ __forceinline__ float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }
__device__ __forceinline__ float quick_gelu(float x) { return x * sigmoid(1.702f * x); }
// Three operators of an FP16 graph, each rounded, the factor too.
__device__ __forceinline__ float quick_gelu_in_f16(float x) {
  return round_f16(x * round_f16(sigmoid(round_f16(1.7021484375f * x))));
}
// x * Phi(x); the complement keeps what 1 + erf would cancel.
__device__ __forceinline__ float gelu(float x) { return 0.5f * x * erfcf(-x * 0.70710678118654752f); }
// x * (1 + tanh(u)) / 2 is x * sigmoid(2u).
__device__ __forceinline__ float gelu_tanh(float x) {
  return x * sigmoid(1.5957691216057308f * (x + 0.044715f * x * x * x));
}

// Integers wrap around.
__device__ __forceinline__ float sum(float a, float b) { return a + b; }
__device__ __forceinline__ int64_t sum(int64_t a, int64_t b) { return (uint64_t)a + (uint64_t)b; }
__device__ __forceinline__ float difference(float a, float b) { return a - b; }
__device__ __forceinline__ int64_t difference(int64_t a, int64_t b) {
  return (uint64_t)a - (uint64_t)b;
}
__device__ __forceinline__ float product(float a, float b) { return a * b; }
__device__ __forceinline__ int64_t product(int64_t a, int64_t b) {
  return (uint64_t)a * (uint64_t)b;
}
__device__ __forceinline__ float quotient(float a, float b) { return a / b; }
// By zero: zero, as a kernel cannot report it.
__device__ __forceinline__ int64_t quotient(int64_t a, int64_t b) {
  if (b == 0) return 0;
  return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}
