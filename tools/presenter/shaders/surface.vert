#version 430
invariant gl_Position;
in vec3 position, normal, rest, albedo;
in vec4 material;  // ambient occlusion, roughness, bump, translucency
out vec3 v_position, v_normal, v_rest, v_albedo;
out vec4 v_material;
uniform mat4 camera;

void main() {
    v_position = position; v_normal = normal; v_rest = rest; v_albedo = albedo; v_material = material;
    gl_Position = camera * vec4(position, 1.0);
}
