#version 330 core
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec3 rest;
layout(location = 3) in vec2 uv;
layout(location = 4) in vec4 paint;
uniform mat4 clip_from_camera;
uniform mat4 light_from_camera;
out vec3 v_position;
out vec3 v_normal;
out vec3 v_rest;
out vec2 v_uv;
out vec3 v_paint;
out vec3 v_light;

void main() {
    v_position = position;
    v_normal = normal;
    v_rest = rest;
    v_uv = uv;
    v_paint = paint.xyz;
    v_light = (light_from_camera * vec4(position, 1.0)).xyz * 0.5 + 0.5;
    gl_Position = clip_from_camera * vec4(position, 1.0);
}
