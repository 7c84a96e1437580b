# Objects that are compiled for one instruction set must share no code with the rest of the program:
# an inline function of theirs, merged by the linker with its namesakes, would run on processors that
# cannot execute it. Called with NM, OBJECTS (a list).
foreach(object IN LISTS OBJECTS)
  if(NOT object MATCHES "matrix_(avx512|amx)_bf16|epilogue_f16")
    continue()
  endif()
  execute_process(COMMAND ${NM} --defined-only --extern-only --demangle ${object}
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(STRIP "${symbols}" symbols)
  if(NOT symbols MATCHES
      "^[0-9a-f]+ T octet::cpu::((avx512|amx)_bf16_kernels|finish_rows_f16)\\([^\n]*\\)$")
    message(FATAL_ERROR "${object} defines more than its own function:\n${symbols}")
  endif()
  math(EXPR checked "${checked} + 1")
endforeach()
if(NOT checked EQUAL 3)
  message(FATAL_ERROR "found ${checked} of the 3 objects")
endif()
