#include "data/folder.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "data/resize.h"
#include "tests/data/image_files.h"
#include "tests/support/as_nobody.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
using namespace resgrad::data;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

// A picture of one colour in the upper and another in the lower half.
Bytes picture(int width, int height, unsigned char upper, unsigned char lower) {
  std::vector<std::vector<unsigned char>> rows;
  for (int y = 0; y < height; ++y) {
    rows.emplace_back(static_cast<std::size_t>(3 * width), y < height / 2 ? upper : lower);
  }
  return encode_png(width, PNG_COLOR_TYPE_RGB, 8, rows);
}

void put(const fs::path& file, const Bytes& bytes) {
  fs::create_directories(file.parent_path());
  write_file(file, bytes);
}

// Two cats and a dog.
void fill(const fs::path& part) {
  put(part / "dog/1.png", picture(40, 30, 200, 210));
  put(part / "cat/b.JPG", small_jpeg());
  put(part / "cat/deep/a.png", picture(8, 8, 10, 20));
}

std::string error_of(const fs::path& part, const FolderOptions& options = {}) {
  try {
    load_folder(part, options);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

Bytes cut_off(Bytes file) {
  file.resize(file.size() - 20);
  return file;
}

}  // namespace

TEST_CASE("images of any size are read with their classes in the order of names") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  fill(part);
  const Dataset d = load_folder(part, {.image_size = 16});
  CHECK(d.name == "folder");
  CHECK(d.class_names == Names{"cat", "dog"});
  CHECK(d.num_classes == 2);
  CHECK(d.labels == std::vector<std::uint8_t>{0, 1, 0});
  CHECK(d.height == 16);
  CHECK(d.image_bytes() == 3 * 16 * 16);
  REQUIRE(std::ssize(d.images) == 3 * d.image_bytes());
  CHECK(d.warnings.empty());
  const Names files = {"cat/b.JPG", "dog/1.png", "cat/deep/a.png"};
  CHECK(d.files == files);
  for (std::size_t i = 0; i < 3; ++i) {
    const Image image = centre_crop(resize_shorter_side(read_image(part / files[i]), 16), 16);
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 16; ++y) {
        for (int x = 0; x < 16; ++x) {
          CHECK(d.image(static_cast<std::int64_t>(i))[(c * 16 + y) * 16 + x] == image.at(y, x, c));
        }
      }
    }
  }
}

TEST_CASE("the second time images come from the cache, until a file is another") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train", file = part / "dog/1.png";
  fill(part);
  const Dataset first = load_folder(part, {.image_size = 8});
  CHECK(folder.names() == Names{".resgrad-train-8.cache", "train"});
  // another picture with the same size and time of the file cannot be told from the first
  const auto time = fs::last_write_time(file);
  const auto bytes = fs::file_size(file);
  const Bytes other = picture(40, 30, 201, 210);
  REQUIRE(other.size() == bytes);
  write_file(file, other);
  fs::last_write_time(file, time);
  CHECK(load_folder(part, {.image_size = 8}).images == first.images);
  fs::last_write_time(file, time + std::chrono::seconds(1));
  const Dataset changed = load_folder(part, {.image_size = 8});
  CHECK(changed.images != first.images);
  CHECK(load_folder(part, {.image_size = 12}).height == 12);
  fs::remove(part / "cat/b.JPG");
  CHECK(load_folder(part, {.image_size = 8}).size() == 2);
  put(part / "cat/c.png", picture(8, 8, 1, 2));
  CHECK(load_folder(part, {.image_size = 8}).size() == 3);
}

TEST_CASE("the cache goes where it is asked to, and a folder that is missing is a warning") {
  const TemporaryFolder folder, elsewhere;
  const fs::path part = folder.path() / "train";
  fill(part);
  CHECK(load_folder(part, {.cache_folder = elsewhere.path()}).warnings.empty());
  CHECK(folder.names() == Names{"train"});
  CHECK(elsewhere.names() == Names{".resgrad-train-32.cache"});
  const Dataset d = load_folder(part, {.cache_folder = elsewhere.path() / "no"});
  CHECK(d.size() == 3);
  REQUIRE(d.warnings.size() == 1);
  CHECK(d.warnings[0].find("expected a cache that can be written") != std::string::npos);
}

TEST_CASE("without a cache of its own a folder stays as it is, and one that is there is read") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  fill(part);
  const Dataset d = load_folder(part, {.write_cache = false});
  CHECK(d.size() == 3);
  CHECK(folder.names() == Names{"train"});
  load_folder(part, {});
  CHECK(load_folder(part, {.write_cache = false}).images == d.images);
}

TEST_CASE("damaged images are all named, or left out and counted") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  fill(part);
  put(part / "cat/bad.png", cut_off(small_png()));
  put(part / "dog/bad.jpg", {std::byte{'G'}, std::byte{'I'}, std::byte{'F'}, std::byte{'8'}});
  const std::string cat = "image: " + (part / "cat/bad.png").string(),
                    dog = "image: " + (part / "dog/bad.jpg").string();
  for (int time = 0; time < 2; ++time) {  // without and with a cache
    const std::string error = error_of(part);
    CAPTURE(error);
    CHECK(error.starts_with("folder: " + part.string() +
                            ": expected images without damage, got 2 of 5 with:\n" + cat));
    CHECK(error.ends_with("\n" + dog + ": expected a PNG or JPEG file, got a GIF file"));
    const Dataset d = load_folder(part, {.skip_damaged = true});
    CHECK(d.labels == std::vector<std::uint8_t>{0, 1, 0});
    CHECK(std::ssize(d.images) == 3 * d.image_bytes());
    CHECK(d.files == Names{"cat/b.JPG", "dog/1.png", "cat/deep/a.png"});
    REQUIRE(d.warnings.size() == 1);
    CHECK(d.warnings[0].starts_with("folder: " + part.string() +
                                    ": left out 2 damaged images of 5: " + cat));
  }
  const Dataset d = load_folder(part, {.skip_damaged = true});
  for (const char* file : {"bad.png", "b.JPG", "deep/a.png"}) fs::remove(part / "cat" / file);
  put(part / "cat/bad.png", cut_off(small_png()));
  fs::remove(part / "dog/1.png");
  CHECK(error_of(part, {.skip_damaged = true})
            .starts_with("folder: " + part.string() +
                         ": expected an image that is not damaged, got 2 that are: "));
}

TEST_CASE("a file that could not be read is read the next time, though nothing of it has changed") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train", cache = folder.path() / "cache";
  fill(part);
  fs::create_directory(cache);
  fs::permissions(folder.path(), fs::perms::all);
  fs::permissions(cache, fs::perms::all);
  fs::permissions(part / "dog/1.png", fs::perms::none);
  const auto images = [&](bool skip) {
    const testing::AsNobody nobody;
    return load_folder(part, {.skip_damaged = skip, .cache_folder = cache}).size();
  };
  CHECK_THROWS_WITH_AS(images(false), doctest::Contains("1.png"), IoError);
  CHECK(images(true) == 2);
  fs::permissions(part / "dog/1.png", fs::perms::all);
  CHECK(images(false) == 3);
  CHECK(std::distance(fs::directory_iterator(cache), {}) == 1);
}

TEST_CASE("links to folders are followed, but not in circles") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  fill(part);
  put(folder.path() / "elsewhere/c.png", picture(20, 20, 1, 2));
  fs::create_directory_symlink(folder.path() / "elsewhere", part / "cat/more");
  fs::create_directory_symlink(part / "cat", part / "cat/deep/round");
  const Dataset d = load_folder(part, {});
  CHECK(d.files == Names{"cat/b.JPG", "cat/deep/a.png", "dog/1.png", "cat/more/c.png"});
  CHECK(d.labels == std::vector<std::uint8_t>{0, 0, 1, 0});
  CHECK(d.warnings.empty());
}

TEST_CASE("photographs are turned as their EXIF orientation says, unless asked not to") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  const std::vector<int> upside_down = {'M',  'M', 0, 42, 0, 0, 0, 8, 0, 1, 1,
                                        0x12, 0,   3, 0,  0, 0, 1, 0, 3, 0, 0};
  put(part / "a/1.png", with_chunk(picture(8, 8, 10, 20), "eXIf", upside_down));
  CHECK(load_folder(part, {.image_size = 8}).images[0] == 20);
  CHECK(load_folder(part, {.image_size = 8, .exif_transpose = false}).images[0] == 10);
}

TEST_CASE("files that are no images by name are left out with a warning, hidden ones without") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  fill(part);
  put(part / "cat/notes.txt", {});
  put(part / "1.png", small_png());
  put(part / "cat/.DS_Store", {});
  put(part / ".hidden/1.png", small_png());
  const Dataset d = load_folder(part, {});
  CHECK(d.size() == 3);
  REQUIRE(d.warnings.size() == 1);
  CHECK(d.warnings[0] == "folder: " + part.string() +
                             ": left out 2 files that are no .png, .jpg or .jpeg in the folder of "
                             "a class: " +
                             (part / "1.png").string() + "; " + (part / "cat/notes.txt").string());
}

TEST_CASE("classes that are given set the labels; one that is missing is no error, another is") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "val";
  fill(part);
  const Dataset d = load_folder(part, {.classes = {"bird", "dog", "cat"}});
  CHECK(d.num_classes == 3);
  CHECK(d.labels == std::vector<std::uint8_t>{2, 1, 2});
  CHECK(error_of(part, {.classes = {"bird", "dog"}}) ==
        "folder: " + part.string() + ": expected one of the classes bird, dog, got cat");
}

TEST_CASE("the first images have all classes, each with its share") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  for (int i = 0; i < 20; ++i) put(part / fmt::format("many/{:02}.png", i), picture(8, 8, 1, 2));
  for (int i = 0; i < 5; ++i) put(part / fmt::format("few/{}.png", i), picture(8, 8, 3, 4));
  const Dataset d = load_folder(part, {.image_size = 8});
  for (int first = 5; first <= 25; first += 5) {
    CHECK(std::count(d.labels.begin(), d.labels.begin() + first, 0) == first / 5);
  }
}

TEST_CASE("folders without images and sizes out of range are errors") {
  const TemporaryFolder folder;
  const fs::path part = folder.path() / "train";
  CHECK(error_of(part) == "folder: " + part.string() +
                              ": expected a folder that can be read, got: No such file or "
                              "directory");
  fs::create_directories(part);
  CHECK(error_of(part) ==
        "folder: " + part.string() + ": expected 1 to 256 folders, one for each class, found 0");
  fill(part);
  fs::create_directories(part / "empty");
  CHECK(error_of(part) == "folder: " + (part / "empty").string() +
                              ": expected at least one .png, .jpg or .jpeg file, found none");
  CHECK(error_of(part, {.image_size = 0}) ==
        "folder: image_size: expected 1 to 4096 pixels, got 0");
  for (int i = 0; i < 254; ++i) put(part / fmt::format("class {}", i) / "1.png", small_png());
  CHECK(error_of(part) ==
        "folder: " + part.string() + ": expected 1 to 256 folders, one for each class, found 257");
}
