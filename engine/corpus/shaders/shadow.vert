#version 330 core
layout(location = 0) in vec3 position;
layout(location = 4) in vec4 paint;
uniform mat4 clip_from_camera;
out float v_inside;

void main() {
    v_inside = paint.y;
    gl_Position = clip_from_camera * vec4(position, 1.0);
}
