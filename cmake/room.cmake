# octet_room(NAME [FAST] [LINK libraries...]): the OBJECT library of src/NAME, every .cpp in it. A room
# that has headers only (or nothing yet) makes no target. FAST is for rooms that hold inner loops. All
# rooms are merged into the one library `octet`. Which room may include which is checked by
# tests/layers, not by link order.
function(octet_room name)
  cmake_parse_arguments(ROOM "FAST" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp
    ${PROJECT_SOURCE_DIR}/src/${name}/*/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_library(room_${name} OBJECT ${sources})
  target_include_directories(room_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(room_${name} PUBLIC octet_options ${ROOM_LINK})
  set_target_properties(room_${name} PROPERTIES OCTET_FAST ${ROOM_FAST})
  target_link_libraries(octet PRIVATE $<BUILD_INTERFACE:room_${name}>)
endfunction()

# octet_test_room(NAME [ONE_PROCESS] [LABEL label]): tests/NAME/*.cpp as one GoogleTest program, its
# tests found by ctest. With ONE_PROCESS ctest runs the program as a whole: for tests that share a
# costly set-up. The label of the tests is the room's name unless another is given.
function(octet_test_room name)
  cmake_parse_arguments(TEST "ONE_PROCESS" "LABEL" "" ${ARGN})
  if(NOT TEST_LABEL)
    set(TEST_LABEL ${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name}_test PRIVATE
    OCTET_SOURCE_DIR="${PROJECT_SOURCE_DIR}" OCTET_PROGRAM="$<TARGET_FILE:octet_cli>")
  target_link_libraries(${name}_test PRIVATE octet_all GTest::gtest_main GTest::gmock)
  if(TEST_ONE_PROCESS)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS ${TEST_LABEL})
  else()
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}/" DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS ${TEST_LABEL})
  endif()
endfunction()
