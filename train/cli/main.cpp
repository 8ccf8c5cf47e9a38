#include "train/cli/run.h"

int main(int argc, char** argv) {
  return resgrad::cli::run(argc, argv);
}
