# src/cuda/kernels as text inside the library: kernels are specialised and compiled when an engine is
# built, with nothing but the program and NVRTC.
file(GLOB kernel_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cuda/kernels/*)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kernel_files})
set(kernel_rows)
foreach(file IN LISTS kernel_files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND kernel_rows "    KernelText{\"${name}\", R\"kernel(${text})kernel\"},\n")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/cmake/kernel_texts.cpp.in
  ${PROJECT_BINARY_DIR}/generated/cuda/kernel_texts.cpp @ONLY)
target_sources(room_cuda PRIVATE ${PROJECT_BINARY_DIR}/generated/cuda/kernel_texts.cpp)
