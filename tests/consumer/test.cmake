# Installs resgrad, moves what was installed, and builds and runs the consumer against it.
#   cmake -DBUILD=<build folder> -DCXX=<compiler> -DGENERATOR=<name> -P test.cmake
set(work ${BUILD}/tests/consumer)
file(REMOVE_RECURSE ${work})
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/installed)
file(RENAME ${work}/installed ${work}/moved)  # nothing in the package may name the old place
run(${work}/moved/bin/resgrad models)
execute_process(COMMAND readelf -d ${work}/moved/bin/resgrad OUTPUT_VARIABLE dynamic
                COMMAND_ERROR_IS_FATAL ANY)
if(NOT dynamic MATCHES "runpath: [^\n]*openblas-openmp")
  message(FATAL_ERROR "bin/resgrad: expected a RUNPATH to the OpenMP variant of OpenBLAS, got none")
endif()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/build -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${work}/moved
    -DCMAKE_CXX_FLAGS=-Werror)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${CMAKE_COMMAND} -E chdir ${work}/build ./consumer)
