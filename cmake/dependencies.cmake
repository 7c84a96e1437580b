# Every package the build needs; all are in Debian 12 (scripts/setup installs them).

# What the library links. octet-config.cmake looks for the same ones on the user's machine.
set(octet_packages Threads fmt TBB yaml-cpp JPEG PNG LibArchive)
set(octet_pkg_config_modules webpdemux webp utf8proc xxhash hwy)  # each as libNAME, giving PkgConfig::NAME
set(octet_link_libraries Threads::Threads fmt::fmt TBB::tbb yaml-cpp JPEG::JPEG PNG::PNG
  LibArchive::LibArchive PkgConfig::webpdemux PkgConfig::webp PkgConfig::utf8proc
  PkgConfig::xxhash PkgConfig::hwy)

foreach(package IN LISTS octet_packages)
  find_package(${package} REQUIRED)
endforeach()
find_package(PkgConfig REQUIRED)
foreach(module IN LISTS octet_pkg_config_modules)
  pkg_check_modules(${module} REQUIRED IMPORTED_TARGET lib${module})
endforeach()

# Headers only, or used by the program alone.
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_reader.hpp REQUIRED)
add_library(protozero INTERFACE)
target_include_directories(protozero SYSTEM INTERFACE ${PROTOZERO_INCLUDE_DIR})
