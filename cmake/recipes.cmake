# recipes/*.yaml as text inside the library, so that `--recipe fp8` works wherever the program runs.
file(GLOB recipe_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/recipes/*.yaml)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipe_files})
set(recipe_rows)
foreach(file IN LISTS recipe_files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND recipe_rows "    BuiltinRecipe{\"${name}\", R\"recipe(${text})recipe\"},\n")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/cmake/builtin_recipes.cpp.in
  ${PROJECT_BINARY_DIR}/generated/quant/builtin_recipes.cpp @ONLY)
target_sources(room_quant PRIVATE ${PROJECT_BINARY_DIR}/generated/quant/builtin_recipes.cpp)
