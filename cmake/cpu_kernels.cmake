# What the translation units of room cpu need beyond the shared options.

# Highway targets that are not built: SSSE3 (SSE4 is as common), and the sizeless vectors of SVE and
# RVV, which register tiles cannot hold in arrays; such machines run the next target.
target_compile_definitions(room_cpu PRIVATE
  "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128|HWY_RVV)")
