# cmake --install: the program, the library with its headers, the recipes, and the CMake package.
include(CMakePackageConfigHelpers)

set(octet_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/octet)
install(TARGETS octet_cli)
install(TARGETS octet EXPORT octet-targets FILE_SET HEADERS)
install(EXPORT octet-targets NAMESPACE octet:: DESTINATION ${octet_package_dir})

string(JOIN " " octet_packages ${octet_packages})
string(JOIN " " octet_pkg_config_modules ${octet_pkg_config_modules})
configure_package_config_file(cmake/octet-config.cmake.in octet-config.cmake
  INSTALL_DESTINATION ${octet_package_dir})
write_basic_package_version_file(octet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/octet-config.cmake ${PROJECT_BINARY_DIR}/octet-config-version.cmake
  DESTINATION ${octet_package_dir})

install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/octet OPTIONAL)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
