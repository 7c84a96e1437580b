# What the translation units of room cpu need beyond the shared options.

# Highway targets that are not built: SSSE3 (SSE4 is as common), and the sizeless vectors of SVE and
# RVV, which register tiles cannot hold in arrays; such machines run the next target.
target_compile_definitions(room_cpu PRIVATE
  "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128|HWY_RVV)")

# Translation units for one instruction set each; `matrix_sets.cpp` asks the processor first.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx512_bf16_options -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512bf16
    -mavx2 -mfma -mbmi2
    -Wno-uninitialized -Wno-maybe-uninitialized)  # false alarms inside GCC 12's own headers
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cpu/matrix_avx512_bf16.cpp
    PROPERTIES COMPILE_OPTIONS "${avx512_bf16_options}")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cpu/matrix_amx_bf16.cpp
    PROPERTIES COMPILE_OPTIONS "${avx512_bf16_options};-mamx-tile;-mamx-bf16")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cpu/epilogue_f16.cpp
    PROPERTIES COMPILE_OPTIONS "${avx512_bf16_options};-mavx512fp16")
  if(OCTET_TESTS AND NOT OCTET_SANITIZE)
    add_test(NAME cpu/isa_symbols COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM}
      "-DOBJECTS=$<TARGET_OBJECTS:room_cpu>" -P ${PROJECT_SOURCE_DIR}/tests/cpu/isa_symbols.cmake)
  endif()
else()
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cpu/matrix_avx512_bf16.cpp
    ${PROJECT_SOURCE_DIR}/src/cpu/matrix_amx_bf16.cpp
    ${PROJECT_SOURCE_DIR}/src/cpu/epilogue_f16.cpp PROPERTIES HEADER_FILE_ONLY ON)
endif()
