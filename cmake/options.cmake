# Options every target of ours shares, through a target and never through global flags.
add_library(octet_options INTERFACE)
target_compile_features(octet_options INTERFACE cxx_std_20)
target_compile_options(octet_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wno-missing-field-initializers -ffp-contract=off
  # GCC 12 sees overlaps in std::string that are not there.
  -Wno-restrict
  # -O3 buys nothing where no kernel runs, and costs build time; octet_room(... FAST) asks for it.
  $<$<CONFIG:Release>:$<IF:$<BOOL:$<TARGET_PROPERTY:OCTET_FAST>>,-O3,-O2>>)
target_link_libraries(octet_options INTERFACE fmt::fmt Threads::Threads)

set(octet_sanitizer_flags)
if(OCTET_SANITIZE STREQUAL "address")
  set(octet_sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(OCTET_SANITIZE STREQUAL "thread")
  set(octet_sanitizer_flags -fsanitize=thread)
elseif(NOT OCTET_SANITIZE STREQUAL "")
  message(FATAL_ERROR "OCTET_SANITIZE is '${OCTET_SANITIZE}'; use address, thread or nothing")
endif()
if(octet_sanitizer_flags)
  target_compile_options(octet_options INTERFACE ${octet_sanitizer_flags} -fno-omit-frame-pointer)
  target_compile_definitions(octet_options INTERFACE OCTET_SANITIZED)
  target_link_options(octet_options INTERFACE ${octet_sanitizer_flags})
endif()

# Clang's fuzzers learn from every branch of the library that an input reaches.
if(OCTET_FUZZ AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(octet_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The public headers alone, for the room that implements them.
add_library(octet_public INTERFACE)
target_include_directories(octet_public INTERFACE ${PROJECT_SOURCE_DIR}/include
  ${PROJECT_BINARY_DIR}/include)
