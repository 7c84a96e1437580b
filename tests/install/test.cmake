# Installs the build into a scratch folder and builds a program of another project against it.
set(install_scratch ${PROJECT_BINARY_DIR}/install-test)
add_test(NAME install/install COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR}
  --prefix ${install_scratch}/prefix)
set_tests_properties(install/install PROPERTIES FIXTURES_SETUP installed)

string(REPLACE ";" " " consumer_flags "${octet_sanitizer_flags}")
add_test(NAME install/consume COMMAND ${CMAKE_CTEST_COMMAND}
  --build-and-test ${CMAKE_CURRENT_LIST_DIR} ${install_scratch}/build
  --build-generator ${CMAKE_GENERATOR} --build-project consumer
  --build-options -DCMAKE_PREFIX_PATH=${install_scratch}/prefix -DCMAKE_CXX_FLAGS=${consumer_flags}
  -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
  --test-command consumer ${PROJECT_SOURCE_DIR}/examples/tinyclip ${install_scratch}/out)
set_tests_properties(install/consume PROPERTIES FIXTURES_REQUIRED installed)

add_test(NAME install/program COMMAND ${install_scratch}/prefix/${CMAKE_INSTALL_BINDIR}/octet version)
set_tests_properties(install/program PROPERTIES FIXTURES_REQUIRED installed
  PASS_REGULAR_EXPRESSION "octet ${PROJECT_VERSION}")
