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
set(configure ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${work}/moved -DCMAKE_CXX_FLAGS=-Werror)

execute_process(COMMAND ${configure} -B ${work}/refused -DCOMPONENTS=nosuch RESULT_VARIABLE code
                OUTPUT_QUIET ERROR_VARIABLE errors)
if(code EQUAL 0 OR NOT errors MATCHES "expected[^:]*got[^:]*nosuch")
  message(FATAL_ERROR "COMPONENTS nosuch: expected an error that says it, got ${code}: ${errors}")
endif()

run(${configure} -B ${work}/build)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${work}/build --output-on-failure)
