int use_everything();  // 0: it works

int main() {
  return use_everything();
}
