/* The operators in a C++ program. */
extern "C" int operators_run();

int main() {
    return operators_run();
}
