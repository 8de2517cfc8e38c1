#version 330 core
in float v_inside;

void main() {
#ifdef CUT
    if (v_inside < 0.0) discard;
#endif
}
